-- Parameters: lease end in ms, owner.
UPDATE delivery_chunk
SET lease_until_ms = %s
WHERE id IN ({ids}) AND owner = %s
RETURNING id, fence
