{{ config(materialized="table") }}

select regions.name as region, sum(sales.amount) as amount, count(*) as sales
from {{ ref("stg_sales") }} as sales
join {{ ref("regions") }} as regions on regions.code = sales.region_code
group by regions.name
