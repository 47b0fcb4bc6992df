-- What attempts came to that have all in common but their replies; see record_attempts.sql, which does the same for any.
-- Parameters: state, moment of the attempt, attempts, now in ms, next attempt, reply code, relay, and a JSON object of
-- delivery id → reply.
UPDATE delivery_delivery
SET state = %s,
    start_ms = CASE WHEN delivery_delivery.attempts = 0 AND delivery_delivery.reply = '' THEN CAST(%s AS bigint)
                    ELSE start_ms END,
    attempts = %s,
    modified_ms = %s,
    next_attempt_ms = %s,
    reply_code = %s,
    relay = %s,
    reply = answered.value
-- sqlite: FROM json_each(%s) AS answered
-- postgresql: FROM json_each_text(CAST(%s AS json)) AS answered
WHERE delivery_delivery.id = CAST(answered.key AS bigint)
