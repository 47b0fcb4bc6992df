-- How far a campaign's expansion is, and what is to be expanded; nobody else expands it meanwhile. Parameter: campaign.
SELECT e.cursor, c.client_id, c.contact_set_id, c.status, c.phase, s.layout
FROM delivery_expansion e JOIN campaigns_campaign c ON c.id = e.campaign_id
LEFT JOIN contacts_contactset s ON s.id = c.contact_set_id
WHERE e.campaign_id = %s
-- postgresql: FOR UPDATE OF e
