-- Campaigns whose expansion is over, of which no chunk has anything to do or is to be retried.
SELECT c.id
FROM campaigns_campaign c
WHERE c.phase = 'sending'
  AND NOT EXISTS (SELECT 1 FROM delivery_chunk k WHERE k.campaign_id = c.id AND k.due_ms IS NOT NULL)
  AND NOT EXISTS (
    SELECT 1 FROM delivery_retrychunk r JOIN delivery_chunk k ON k.id = r.chunk_id WHERE k.campaign_id = c.id
  )
