#!/usr/bin/env bash
# What Airflow's OpenLineage provider tells Spark of its transport is not what it has: another timeout, "Bearer" twice.
#
# Expected: with [openlineage] spark_inject_transport_info the Spark job sends its events as Airflow does: with the same
# timeout, and with the same key.
#
# What happens: the timeout is cut to whole seconds before it becomes milliseconds, so that half a second is 0. The key
# is given as `auth.apiKey`, but with the "Bearer " that the client has put before it for its own header; whoever reads
# it as a key, as the client does here and the one in Spark, puts another before it, and a service that checks keys
# refuses the events of the job.
#
# Versions: apache-airflow-providers-openlineage 2.20.3, openlineage-python 1.54.0, apache-airflow 3.3.2; Python 3.11.
#
# Output seen:
#   timeout: 0.5 s in Airflow, 0 ms in Spark
#   header:  'Bearer secret' from Airflow, 'Bearer Bearer secret' from what Spark was given
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-airflow==3.3.2 apache-airflow-task-sdk==1.3.2 \
	apache-airflow-providers-openlineage==2.20.3 openlineage-python==1.54.0
cat > "$folder/show.py" <<'PYTHON'
from airflow.providers.openlineage.utils.spark import inject_transport_information_into_spark_properties
from openlineage.client.transport.http import create_token_provider


class Task:
    dag_id, task_id, run_id, try_number, map_index = "a_dag", "a_task", "a_run", 1, -1


given = inject_transport_information_into_spark_properties({}, {"ti": Task()})
found = {name.removeprefix("spark.openlineage.transport."): value for name, value in given.items()}


def header(key):
    return create_token_provider({"type": "api_key", "apiKey": key}).get_bearer()


print(f"timeout: 0.5 s in Airflow, {found['timeoutInMillis']} ms in Spark")
own, other = header("secret"), header(found["auth.apiKey"])
print(f"header:  {own!r} from Airflow, {other!r} from what Spark was given")
raise SystemExit((found["timeoutInMillis"], other) != ("0", "Bearer Bearer secret"))
PYTHON
export AIRFLOW_HOME="$folder/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR
export AIRFLOW__OPENLINEAGE__TRANSPORT='{"type": "http", "url": "http://127.0.0.1:9", "timeout": 0.5, "auth": {"type": "api_key", "apiKey": "secret"}}'
"$folder/venv/bin/python" "$folder/show.py" 2> "$folder/errors.log" || { tail -5 "$folder/errors.log"; exit 1; }
