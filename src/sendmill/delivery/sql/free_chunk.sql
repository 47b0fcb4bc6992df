-- A free chunk whose rows were changed by nobody's worker. The fencing number moves on, so that what a former owner still
-- writes is refused. Parameters: when it is due (NULL: all its rows are final), counts, chunk.
UPDATE delivery_chunk
SET owner = '', lease_until_ms = 0, due_ms = %s, counts = %s, being_sent = '',
    fence = fence + 1, counted_fence = fence + 1
WHERE id = %s
