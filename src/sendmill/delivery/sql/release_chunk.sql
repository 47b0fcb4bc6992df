-- Parameters: when it is due (NULL: all its rows are final), counts, chunk, fence.
UPDATE delivery_chunk
SET owner = '', lease_until_ms = 0, due_ms = %s, counts = %s, counted_fence = fence
WHERE id = %s AND fence = %s
