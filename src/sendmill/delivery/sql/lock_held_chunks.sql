-- The chunks whose rows a worker is about to write, with their fencing numbers, their marks and their campaigns'
-- statuses. The locks hold until the end of the transaction: a take-over comes wholly before it or after it.
SELECT k.id, k.fence, k.being_sent, c.status, c.client_id
FROM delivery_chunk k JOIN campaigns_campaign c ON c.id = k.campaign_id
WHERE k.id IN ({ids})
-- postgresql: FOR NO KEY UPDATE OF k
