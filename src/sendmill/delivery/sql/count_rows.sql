-- How many rows of a chunk are in each state, and when the next of them is due (0 for at once; only open states have a
-- meaning there). Parameters: first id, last id.
SELECT state, count(*), min(coalesce(next_attempt_ms, 0))
FROM delivery_delivery
WHERE id BETWEEN %s AND %s
GROUP BY state
