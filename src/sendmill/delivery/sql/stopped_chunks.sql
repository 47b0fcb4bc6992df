-- Of these chunks, those whose campaign is paused or cancelled.
SELECT k.id
FROM delivery_chunk k JOIN campaigns_campaign c ON c.id = k.campaign_id
WHERE k.id IN ({ids}) AND c.status <> 'active'
