-- The failed recipients of a free chunk begin anew; what they failed with is shown until their next attempt.
-- Parameters: now in ms, first id, last id.
UPDATE delivery_delivery
SET state = 0, attempts = 0, next_attempt_ms = NULL, modified_ms = %s
WHERE id BETWEEN %s AND %s AND state = 12
