-- How many contacts the next chunk has, and the id of its last. PostgreSQL is kept from looking for the page in the order
-- of the primary key: behind the end of a set that is a large part of the table that took it 1.6 s. SQLite would walk the
-- whole set with that form.
SELECT count(*), coalesce(max(id), 0)
FROM (
    SELECT id
    FROM contacts_contact
-- sqlite:     WHERE contact_set_id = %(contact_set)s AND id > %(after)s
-- sqlite:     ORDER BY id
-- postgresql:     WHERE contact_set_id BETWEEN %(contact_set)s AND %(contact_set)s
-- postgresql:       AND (contact_set_id, id) > (%(contact_set)s, %(after)s)
-- postgresql:     ORDER BY contact_set_id, id
    LIMIT %(rows)s
) AS next_contacts
