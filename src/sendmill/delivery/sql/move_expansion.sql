-- Parameters: the last contact that has its delivery, how many more have, campaign.
UPDATE delivery_expansion
SET cursor = %s, recipients = recipients + %s
WHERE campaign_id = %s
