-- The next fencing number goes with the chunk. Parameters: owner, lease end in ms, chunk.
UPDATE delivery_chunk
SET owner = %s, lease_until_ms = %s, fence = fence + 1
WHERE id = %s
RETURNING fence
