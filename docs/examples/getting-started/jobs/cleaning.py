"""What the jobs take for an order."""

from pyspark.sql import DataFrame


def valid_orders(orders: DataFrame) -> DataFrame:
    return orders.where("region IS NOT NULL AND amount > 0")
