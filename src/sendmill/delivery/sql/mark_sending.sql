-- Intent before bytes: these rows are handed over next. 4 is "sending again", of a row that is in doubt.
-- Doing it twice changes nothing: a transaction whose commit was not confirmed is made again.
-- Parameter: now in ms.
UPDATE delivery_delivery
SET state = CASE WHEN state IN (3, 4) THEN 4 ELSE 1 END, modified_ms = %s
WHERE id IN ({ids})
