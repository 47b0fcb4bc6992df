-- The next fencing number goes with the chunk. Parameters: owner, lease end in ms, chunk.
UPDATE delivery_chunk
SET owner = %s, lease_until_ms = %s, fence = fence + 1, is_let_go = FALSE
WHERE id = %s
RETURNING fence
