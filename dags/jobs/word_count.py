"""Count the words of text files.

Arguments: where the text is, where the counts go (Parquet: word, count), and, to show a retry policy at work, the
optional path of a marker: the first attempt leaves it and fails, the next one finds it and does its work.
"""

import sys

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def is_first_attempt(spark: SparkSession, marker: str) -> bool:
    try:
        spark.read.text(marker).head()
    except AnalysisException:
        spark.createDataFrame([("The first attempt was here.",)], "value string").write.text(marker)
        return True
    return False


def main(source: str, target: str, marker: str = "") -> None:
    spark = SparkSession.builder.appName("word count").getOrCreate()
    if marker and is_first_attempt(spark, marker):
        raise RuntimeError("this first attempt fails on purpose")
    words = spark.read.text(source).select(F.explode(F.split(F.lower("value"), "[^a-z]+")).alias("word"))
    counts = words.where(F.col("word") != "").groupBy("word").count()
    counts.write.mode("overwrite").parquet(target)
    print(f"{spark.read.parquet(target).count()} different words")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
