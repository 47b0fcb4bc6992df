-- A campaign's next free chunk. Two workers never wait for each other here. Parameters: campaign, now in ms.
SELECT id
FROM delivery_chunk
WHERE campaign_id = %s AND owner = '' AND due_ms <= %s
ORDER BY due_ms, id
LIMIT 1
-- postgresql: FOR UPDATE SKIP LOCKED
