-- The rows of a chunk that may be sent now, with all that rendering needs, as one JSON array of arrays: Python's driver
-- for SQLite gives up and gets back Python's lock at each row it fetches, which costs more than the JSON.
-- Parameters: first id, last id, now in ms.
-- sqlite: SELECT json_group_array(json_array(id, email, name, fields, state, attempts))
-- postgresql: SELECT coalesce(json_agg(json_build_array(id, email, name, fields, state, attempts)), '[]')::text
FROM (
    SELECT id, email, name, fields, state, attempts
    FROM delivery_delivery
    WHERE id BETWEEN %s AND %s AND (state = 0 OR (state IN (2, 3) AND next_attempt_ms <= %s))
    ORDER BY id
) AS due
