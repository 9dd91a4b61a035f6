"""A streaming job: an event a second, with its time, until it is cancelled. Argument: where events and progress go."""

import sys

from pyspark.sql import SparkSession


def main(target: str) -> None:
    spark = SparkSession.builder.appName("events").getOrCreate()
    events = spark.readStream.format("rate").option("rowsPerSecond", "1").load()
    query = (
        events.writeStream.format("parquet")
        .option("path", f"{target}/events")
        .option("checkpointLocation", f"{target}/checkpoint")
        .start()
    )
    query.awaitTermination()


if __name__ == "__main__":
    main(*sys.argv[1:])
