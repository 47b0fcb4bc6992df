-- An abandoned chunk, if nobody else is recovering it and it hasn't changed hands. Parameters: chunk, owner, fence.
SELECT lease_until_ms, campaign_id, being_sent
FROM delivery_chunk
WHERE id = %s AND owner = %s AND fence = %s
-- postgresql: FOR UPDATE SKIP LOCKED
