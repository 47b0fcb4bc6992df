-- The fencing number moves on, so that what the former owner still writes is refused. Parameters: when it is due, chunk.
UPDATE delivery_chunk
SET owner = '', lease_until_ms = 0, fence = fence + 1, due_ms = %s
WHERE id = %s
