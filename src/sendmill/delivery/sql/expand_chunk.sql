-- One chunk of a campaign's recipients, in the order of its contacts. Opted-out ones (13) and those of a cancelled
-- campaign are final at once. Measured on SQLite: 1,000 rows in about 5 ms.
-- Parameters: first delivery id, state, now in ms (twice), contact set, contact cursor, rows, client.
INSERT INTO delivery_delivery
    (id, email, name, fields, state, attempts, start_ms, modified_ms, next_attempt_ms, reply_code, reply, relay)
SELECT %s + row_number() OVER (ORDER BY c.id) - 1, c.email, c.name, c.fields,
       CASE WHEN o.id IS NULL THEN %s ELSE 13 END, 0, %s, %s, NULL, NULL, '', ''
FROM (
    SELECT id, email, email_key, name, fields
    FROM contacts_contact
    WHERE contact_set_id = %s AND id > %s
    ORDER BY id
    LIMIT %s
) c
LEFT JOIN optouts_optout o ON o.client_id = %s AND o.email_key = c.email_key
