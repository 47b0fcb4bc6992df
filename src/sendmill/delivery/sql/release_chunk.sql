-- Parameters: when it is due (NULL: all its rows are final), chunk, fence.
UPDATE delivery_chunk
SET owner = '', lease_until_ms = 0, due_ms = %s
WHERE id = %s AND fence = %s
