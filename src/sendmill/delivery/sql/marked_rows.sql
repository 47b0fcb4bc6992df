-- The rows of a chunk that were being sent: those with its mark, and those that a node of the version before had marked
-- as being sent (1) or sent again (4). Parameters: first id, last id.
SELECT id, attempts
FROM delivery_delivery
WHERE id BETWEEN %s AND %s AND (state IN (1, 4) OR id IN ({ids}))
ORDER BY id
