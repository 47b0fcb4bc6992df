-- What is left to do in a chunk: the rows that are being sent, and when the next of the others is due.
-- Parameters: first id, last id.
SELECT count(CASE WHEN state IN (1, 4) THEN 1 END),
       min(CASE WHEN state IN (1, 4) THEN NULL ELSE coalesce(next_attempt_ms, 0) END)
FROM delivery_delivery
WHERE id BETWEEN %s AND %s AND state < 10
