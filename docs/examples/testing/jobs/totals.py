"""Add up sales by region: totals.py INPUT OUTPUT."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.builder.getOrCreate()
sales = spark.read.csv(sys.argv[1], header=True, schema="region string, amount decimal(10, 2)")
totals = sales.groupBy("region").agg(F.sum("amount").alias("amount")).orderBy("region")
totals.coalesce(1).write.mode("overwrite").json(sys.argv[2])
print(f"{sales.count()} sales")
