INSERT OVERWRITE TABLE visits VALUES ('home', 'ada'), ('home', 'bob'), ('prices', 'ada');
SELECT page, count(DISTINCT visitor) AS visitors FROM visits WHERE page = '${hivevar:page}' GROUP BY page;
