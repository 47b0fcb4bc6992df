-- The rows of a chunk that are being sent (1) or sent again (4). Parameters: first id, last id.
SELECT id, attempts
FROM delivery_delivery
WHERE id BETWEEN %s AND %s AND state IN (1, 4)
ORDER BY id
