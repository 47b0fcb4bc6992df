-- A chunk that nobody holds; nor will anybody until the end of the transaction. Parameter: chunk.
SELECT id
FROM delivery_chunk
WHERE id = %s AND owner = ''
-- postgresql: FOR UPDATE
