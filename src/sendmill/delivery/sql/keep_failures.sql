-- What the failed deliveries (12) of a chunk failed with. Parameters: first id, last id.
INSERT INTO delivery_deliveryattempt (delivery_id, state, attempts, recorded_ms, reply_code, reply, relay)
SELECT id, state, attempts, modified_ms, reply_code, reply, relay
FROM delivery_delivery
WHERE id BETWEEN %s AND %s AND state = 12
ORDER BY id
ON CONFLICT (delivery_id, attempts, recorded_ms) DO NOTHING
RETURNING delivery_id
