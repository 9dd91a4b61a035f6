"""Sum up the counts of ``word_count.py``.

Arguments: where the counts are, where the summary goes (one line of JSON: words, different_words, top), how many words
are the top.
"""

import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def main(source: str, target: str, top: str = "10") -> None:
    spark = SparkSession.builder.appName("top words").getOrCreate()
    counts = spark.read.parquet(source)
    totals = counts.agg(F.sum("count"), F.count("*")).head()
    first = counts.orderBy(F.desc("count"), "word").limit(int(top)).collect()
    summary = json.dumps({"words": totals[0], "different_words": totals[1], "top": [[row[0], row[1]] for row in first]})
    spark.createDataFrame([(summary,)], "value string").coalesce(1).write.mode("overwrite").text(target)
    print(summary)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
