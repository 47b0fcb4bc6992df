-- Campaigns that have a chunk to do now, the one with the fewest chunks in workers' hands first: so a campaign of a
-- hundred is served beside one of a million. Parameters: now in ms, the clients and senders to pass over, limit.
SELECT c.id
FROM campaigns_campaign c
WHERE c.status = 'active' AND c.phase IN ('expanding', 'sending')
  AND EXISTS (SELECT 1 FROM delivery_chunk k WHERE k.campaign_id = c.id AND k.owner = '' AND k.due_ms <= %s)
  AND c.id NOT IN ({campaigns})
  AND c.client_id NOT IN (SELECT id FROM accounts_client WHERE object_id IN ({clients}))
  AND lower(c.frozen_sender) NOT IN ({senders})
ORDER BY (SELECT count(*) FROM delivery_chunk o WHERE o.campaign_id = c.id AND o.owner <> ''), c.id
LIMIT %s
