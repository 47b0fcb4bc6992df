-- Parameter: now in ms.
UPDATE delivery_delivery
SET state = 13, next_attempt_ms = NULL, modified_ms = %s
WHERE id IN ({ids})
