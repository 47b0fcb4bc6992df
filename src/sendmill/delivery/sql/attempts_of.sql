-- How often these rows were tried.
SELECT id, attempts
FROM delivery_delivery
WHERE id IN ({ids})
ORDER BY id
