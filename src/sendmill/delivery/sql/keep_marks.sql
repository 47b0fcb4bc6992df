-- Intent before bytes: the rows that are being sent from now on. Parameters: marks, chunk.
UPDATE delivery_chunk
SET being_sent = %s
WHERE id = %s
