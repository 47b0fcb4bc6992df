-- What a cancel leaves open in a free chunk: 3 (in doubt) is held, the rest is cancelled. Parameters: now in ms, first
-- id, last id.
UPDATE delivery_delivery
SET state = CASE WHEN state = 3 THEN 16 ELSE 14 END, next_attempt_ms = NULL, modified_ms = %s
WHERE id BETWEEN %s AND %s AND state < 10
