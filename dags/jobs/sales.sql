-- Sales by region, of those that sold more than :least.
CREATE OR REPLACE TEMPORARY VIEW sales AS
SELECT id, element_at(array('north', 'east', 'south', 'west'), CAST(id % 4 + 1 AS INT)) AS region, id * 0.5 AS amount
FROM range(1000);

SELECT region, count(*) AS sales, sum(amount) AS amount
FROM sales
GROUP BY region
HAVING sum(amount) > :least
ORDER BY region;
