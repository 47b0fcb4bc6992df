-- One chunk of a campaign's recipients: the contacts of a page from the place `offset` up to the one before `end`, each
-- [email, name, fields] or [email, name, fields, key]. Opted-out ones (13) and those of a cancelled campaign are final at
-- once.
INSERT INTO delivery_delivery
    (id, email, name, fields, state, attempts, start_ms, modified_ms, next_attempt_ms, reply_code, reply, relay)
SELECT %(first_id)s + c.place - %(offset)s, c.email, c.name, c.fields,
       CASE WHEN o.id IS NULL THEN %(state)s ELSE 13 END, 0, %(now)s, %(now)s, NULL, NULL, '', ''
FROM (
-- sqlite:     SELECT j.key AS place, j.value->>0 AS email, j.value->>1 AS name, j.value->>2 AS fields,
-- sqlite:            coalesce(j.value->>3, j.value->>0) AS email_key
-- sqlite:     FROM contacts_contactpage p, json_each(p.contacts) j
-- postgresql:     SELECT j.place - 1 AS place, j.value->>0 AS email, j.value->>1 AS name, j.value->>2 AS fields,
-- postgresql:            coalesce(j.value->>3, j.value->>0) AS email_key
-- postgresql:     FROM contacts_contactpage p, json_array_elements(CAST(p.contacts AS json)) WITH ORDINALITY AS j (value, place)
    WHERE p.id = %(page)s
) c
LEFT JOIN optouts_optout o ON o.client_id = %(client)s AND o.email_key = c.email_key
WHERE c.place >= %(offset)s AND c.place < %(end)s
ORDER BY c.place
