{{ config(materialized="view") }}

select cast(sold_at as date) as day, region_code, cast(amount as decimal(10, 2)) as amount
from json.`{{ var("raw") }}`
