-- The chunks of a campaign that hold a failed recipient (12), or may: those in workers' hands are not counted.
-- Parameter: campaign.
INSERT INTO delivery_retrychunk (chunk_id)
SELECT k.id
FROM delivery_chunk k
WHERE k.campaign_id = %s AND (k.counted_fence <> k.fence OR k.counts LIKE '%%"12":%%')
  AND NOT EXISTS (SELECT 1 FROM delivery_retrychunk r WHERE r.chunk_id = k.id)
