-- The owner begins nothing more of these chunks. Parameter: owner.
UPDATE delivery_chunk
SET is_let_go = TRUE
WHERE id IN ({ids}) AND owner = %s
