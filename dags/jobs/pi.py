"""Estimate pi from random points. Argument: how many times 100,000 points."""

import random
import sys

from pyspark.sql import SparkSession


def hits(seed: int) -> int:
    dice = random.Random(seed)
    return sum(dice.random() ** 2 + dice.random() ** 2 <= 1 for _ in range(100_000))


def main(partitions: str = "4") -> None:
    spark = SparkSession.builder.appName("pi").getOrCreate()
    n = int(partitions)
    inside = spark.sparkContext.parallelize(range(n), n).map(hits).sum()
    print(f"pi is about {4 * inside / (n * 100_000):.4f}")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
