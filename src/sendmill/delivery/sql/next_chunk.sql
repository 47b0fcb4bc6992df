-- A campaign's next free chunk. One whose failed recipients are to be sent again is left to that first. Two workers never
-- wait for each other here. Parameters: campaign, now in ms.
SELECT id
FROM delivery_chunk
WHERE campaign_id = %s AND owner = '' AND due_ms <= %s
  AND NOT EXISTS (SELECT 1 FROM delivery_retrychunk r WHERE r.chunk_id = delivery_chunk.id)
ORDER BY due_ms, id
LIMIT 1
-- postgresql: FOR UPDATE SKIP LOCKED
