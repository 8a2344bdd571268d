SELECT COUNT(*) AS order_count, SUM(amount) AS total
FROM shop.orders
WHERE amount >= {{ params.least }}
