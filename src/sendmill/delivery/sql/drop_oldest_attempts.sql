-- Of each of these deliveries all kept attempts but the last ones. Parameter: how many stay.
DELETE FROM delivery_deliveryattempt
WHERE id IN (
    SELECT id
    FROM (
        SELECT id, row_number() OVER (PARTITION BY delivery_id ORDER BY id DESC) AS age
        FROM delivery_deliveryattempt
        WHERE delivery_id IN ({ids})
    ) AS kept
    WHERE age > %s
)
