-- What attempts came to. `start_ms` is the moment of the first attempt, also of one that is sent
-- again after it failed (its attempts are 0, but it has a reply). Doing it twice changes nothing.
-- All rows in one statement: one for each takes as much CPU on SQLite, but gives up Python's lock at each row and gets it
-- back when the event loop pauses, and holds the database's write lock meanwhile.
-- Parameters: now in ms, a JSON array of arrays.
UPDATE delivery_delivery
SET state = attempt.state,
    start_ms = CASE WHEN delivery_delivery.attempts = 0 AND delivery_delivery.reply = '' THEN attempt.attempted_ms
                    ELSE start_ms END,
    attempts = attempt.attempts,
    modified_ms = %s,
    next_attempt_ms = attempt.next_attempt_ms,
    reply_code = attempt.reply_code,
    reply = attempt.reply,
    relay = attempt.relay
FROM (
    SELECT CAST(value->>0 AS bigint) AS id, CAST(value->>1 AS smallint) AS state,
           CAST(value->>2 AS smallint) AS attempts, CAST(value->>3 AS bigint) AS attempted_ms,
           CAST(value->>4 AS bigint) AS next_attempt_ms, CAST(value->>5 AS smallint) AS reply_code,
           value->>6 AS reply, value->>7 AS relay
-- sqlite:     FROM json_each(%s)
-- postgresql:     FROM json_array_elements(CAST(%s AS json))
) AS attempt
WHERE delivery_delivery.id = attempt.id
