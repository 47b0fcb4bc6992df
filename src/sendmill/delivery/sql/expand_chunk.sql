-- One chunk of a campaign's recipients, in the order of its contacts. Opted-out ones (13) and those of a cancelled
-- campaign are final at once. Measured on SQLite: 1,000 rows in about 5 ms. The two ways to name the page: see
-- next_contacts.sql.
INSERT INTO delivery_delivery
    (id, email, name, fields, state, attempts, start_ms, modified_ms, next_attempt_ms, reply_code, reply, relay)
SELECT %(first_id)s + row_number() OVER (ORDER BY c.id) - 1, c.email, c.name, c.fields,
       CASE WHEN o.id IS NULL THEN %(state)s ELSE 13 END, 0, %(now)s, %(now)s, NULL, NULL, '', ''
FROM (
    SELECT id, email, email_key, name, fields
    FROM contacts_contact
-- sqlite:     WHERE contact_set_id = %(contact_set)s AND id > %(after)s
-- sqlite:     ORDER BY id
-- postgresql:     WHERE contact_set_id BETWEEN %(contact_set)s AND %(contact_set)s
-- postgresql:       AND (contact_set_id, id) > (%(contact_set)s, %(after)s)
-- postgresql:     ORDER BY contact_set_id, id
    LIMIT %(rows)s
) c
LEFT JOIN optouts_optout o ON o.client_id = %(client)s AND o.email_key = c.email_key
