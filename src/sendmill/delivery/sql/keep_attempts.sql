-- Attempts that did not end their deliveries. Doing it twice with the same `now` changes nothing.
-- Parameters: now in ms, a JSON array of arrays in the order of record_attempts.sql.
INSERT INTO delivery_deliveryattempt (delivery_id, state, attempts, recorded_ms, reply_code, reply, relay)
SELECT CAST(value->>0 AS bigint), CAST(value->>1 AS smallint), CAST(value->>2 AS smallint), CAST(%s AS bigint),
       CAST(value->>5 AS smallint), value->>6, value->>7
-- sqlite: FROM json_each(%s)
-- postgresql: FROM json_array_elements(CAST(%s AS json))
WHERE TRUE
ON CONFLICT (delivery_id, attempts, recorded_ms) DO NOTHING
