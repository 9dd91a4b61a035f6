CREATE TEMPORARY VIEW sales AS
SELECT * FROM VALUES ('north', 41000), ('south', 63500), ('west', 88200), ('east', 62100) AS sales (region, amount);

SELECT region, amount FROM sales WHERE amount > ${least} ORDER BY amount DESC;
