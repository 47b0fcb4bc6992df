-- What the chunks of a campaign hold: one row for all that have the same counts, and one for each chunk that has to be
-- counted, with its id. `due_ms` above 0 is when the next deferred recipient is due. Parameter: campaign.
SELECT CASE WHEN counted_fence = fence THEN 0 ELSE id END AS uncounted,
       CASE WHEN counted_fence = fence THEN counts ELSE '' END AS known,
       count(*), min(CASE WHEN counted_fence = fence AND due_ms > 0 THEN due_ms END)
FROM delivery_chunk
WHERE campaign_id = %s
GROUP BY 1, 2
