-- What an attempt came to. `start_ms` is the moment of the first attempt. Doing it twice changes nothing.
-- Parameters in the order of the columns, then the id.
UPDATE delivery_delivery
SET state = %s, start_ms = CASE WHEN attempts = 0 THEN %s ELSE start_ms END, attempts = %s,
    modified_ms = %s, next_attempt_ms = %s, reply_code = %s, reply = %s, relay = %s
WHERE id = %s
