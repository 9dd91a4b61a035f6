"""Adds up orders by region. Arguments: a folder of CSV files, and the folder of the result."""

import sys

from cleaning import valid_orders
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def main(source, target):
    spark = SparkSession.builder.appName("revenue").getOrCreate()
    orders = valid_orders(spark.read.csv(source, header=True, schema="region STRING, amount DOUBLE"))
    revenue = orders.groupBy("region").agg(F.sum("amount").alias("revenue")).orderBy("region")
    revenue.write.mode("overwrite").parquet(target)
    for row in spark.read.parquet(target).orderBy("region").collect():
        print(row.region, row.revenue)


main(*sys.argv[1:])
