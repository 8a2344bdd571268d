SELECT day, SUM(amount) AS total FROM shop.orders WHERE amount >= {{ params.least }} GROUP BY day
