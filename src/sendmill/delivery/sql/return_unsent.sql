-- A row that a node of the version before had marked, and whose message did not leave, goes back to what it was. It had been deferred if it has a next attempt.
UPDATE delivery_delivery
SET state = CASE WHEN state = 4 THEN 3 WHEN next_attempt_ms IS NOT NULL THEN 2 ELSE 0 END
WHERE id IN ({ids}) AND state IN (1, 4)
