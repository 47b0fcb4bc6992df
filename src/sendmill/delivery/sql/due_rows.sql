-- The rows of a chunk that may be sent now, with all that rendering needs. Parameters: first id, last id, now in ms.
SELECT id, email, name, fields, state, attempts
FROM delivery_delivery
WHERE id BETWEEN %s AND %s AND (state = 0 OR (state IN (2, 3) AND next_attempt_ms <= %s))
ORDER BY id
