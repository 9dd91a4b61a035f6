#!/usr/bin/env bash
# A task's execution_timeout is lost if it comes while Python finalizes an object: the task goes on, and is a success.
#
# Expected: a task that works for longer than its execution_timeout fails with AirflowTaskTimeout.
#
# What happens: Airflow's alarm raises AirflowTaskTimeout wherever the task's main thread is. In a __del__ (clients,
# temporary files and data frames have such), Python prints an exception as "ignored" and goes on. There is no second
# alarm, so the task runs for as long as it likes, and ends as a success.
#
# Versions: apache-airflow 3.3.2; Python 3.11.
#
# Output seen:
#   timeout in a function:  failed
#   timeout in a finalizer: success after 5 s, though its limit was 2 s
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-airflow==3.3.2 apache-airflow-task-sdk==1.3.2
mkdir "$folder/dags"
cat > "$folder/dags/limits.py" <<'PYTHON'
import datetime
import time

from airflow.sdk import DAG, task

LIMIT = datetime.timedelta(seconds=2)


class Temporary:
    """What is cleaned up when nobody uses it any more, which takes its time."""

    def __del__(self):
        time.sleep(3)


def work(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.1)


with DAG("limits", schedule=None):

    @task(execution_timeout=LIMIT)
    def in_a_function():
        work(6)

    @task(execution_timeout=LIMIT)
    def in_a_finalizer():
        Temporary()
        work(3)

    in_a_function()
    in_a_finalizer()
PYTHON
export AIRFLOW_HOME="$folder/home" AIRFLOW__CORE__DAGS_FOLDER="$folder/dags" AIRFLOW__CORE__LOAD_EXAMPLES=False
"$folder/venv/bin/airflow" db migrate > "$folder/migrate.log" 2>&1
"$folder/venv/bin/airflow" dags test limits > "$folder/test.log" 2>&1 || true
cat > "$folder/show.py" <<'PYTHON'
import sqlite3
import sys
from datetime import datetime

rows = sqlite3.connect(sys.argv[1]).execute("SELECT task_id, state, start_date, end_date FROM task_instance")
found = {}
for task_id, state, begin, end in rows:
    found[task_id] = state, round((datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds())
(one, _), (other, seconds) = found["in_a_function"], found["in_a_finalizer"]
print(f"timeout in a function:  {one}")
print(f"timeout in a finalizer: {other} after {seconds} s, though its limit was 2 s")
raise SystemExit((one, other) != ("failed", "success") or seconds < 5)
PYTHON
"$folder/venv/bin/python" "$folder/show.py" "$AIRFLOW_HOME/airflow.db"
