-- The statuses of these chunks' campaigns, and their clients.
SELECT k.id, c.status, c.client_id
FROM delivery_chunk k JOIN campaigns_campaign c ON c.id = k.campaign_id
WHERE k.id IN ({ids})
