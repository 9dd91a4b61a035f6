#!/usr/bin/env bash
# A Decimal with decimals comes out of an Airflow XCom with 17 digits and without its scale; no error, no warning.
#
# Expected: a Decimal is exact, and Airflow says that it can store one: the next task gets what the task before returned,
# such as a sum of DECIMAL(38, 2) that Spark has worked out.
#
# What happens: it is stored as a float if it is written with decimals, as every value of a DECIMAL(38, 2) is.
# 12345678901234567.89 becomes 12345678901234568, which is another amount, and 100.00 becomes 100.0, so that what compares
# texts finds a difference. Exact is only what has no decimals, which is stored as an integer.
#
# Versions: apache-airflow 3.3.2, apache-airflow-task-sdk 1.3.2; Python 3.11. Airflow 2.10.3 does the same.
#
# Output seen:
#   12345678901234567.89 -> 12345678901234568
#   12345678901234567890.00 -> 1.2345678901234567E+19
#   100.00 -> 100.0
#   123456789012345678901234567890 -> 123456789012345678901234567890
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-airflow==3.3.2 apache-airflow-task-sdk==1.3.2
cat > "$folder/show.py" <<'PYTHON'
import json
from decimal import Decimal

from airflow.sdk.serde import deserialize, serialize

AMOUNTS = ("12345678901234567.89", "12345678901234567890.00", "100.00", "123456789012345678901234567890")
found = [str(deserialize(json.loads(json.dumps(serialize(Decimal(amount)))))) for amount in AMOUNTS]
for amount, back in zip(AMOUNTS, found, strict=True):
    print(f"{amount} -> {back}")
raise SystemExit(found != ["12345678901234568", "1.2345678901234567E+19", "100.0", AMOUNTS[3]])
PYTHON
AIRFLOW_HOME="$folder/home" "$folder/venv/bin/python" "$folder/show.py"
