#!/usr/bin/env bash
# An operator link of an Airflow plugin shows up on mapped tasks of operators that it is not for.
#
# A plugin says with `operators = [...]` which operators a link is for. People expect the link on tasks of these classes,
# and on no others. So it is for plain tasks. For mapped tasks Airflow compares the name of the task's class with those
# of `operators` by `in`: a mapped BashOperator gets the links of a class named MyBashOperator, whatever module it is in.
#
# Seen with apache-airflow 3.3.2 (apache-airflow-core 3.3.2), Python 3.11:
#   plain: []
#   mapped: ['for MyBashOperator only']
#
# Exits with 0 as long as it is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-airflow==3.3.2 apache-airflow-core==3.3.2 apache-airflow-providers-standard
mkdir -p "$folder/home/plugins"
cat > "$folder/home/plugins/links.py" <<'PLUGIN'
from airflow.plugins_manager import AirflowPlugin
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import BaseOperatorLink


class MyBashOperator(BashOperator):
    pass


class Link(BaseOperatorLink):
    name = "for MyBashOperator only"
    operators = [MyBashOperator]

    def get_link(self, operator, *, ti_key):
        return "https://example.com"


class Plugin(AirflowPlugin):
    name = "links"
    operator_extra_links = [Link()]
PLUGIN
cat > "$folder/look.py" <<'LOOK'
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

with DAG("a_dag", schedule=None) as dag:
    BashOperator(task_id="plain", bash_command="true")
    BashOperator.partial(task_id="mapped").expand(bash_command=["true", "false"])
seen = DagSerialization.from_dict(DagSerialization.to_dict(dag))
links = {name: list(seen.get_task(name).extra_links) for name in ("plain", "mapped")}
for name, shown in links.items():
    print(f"{name}: {shown}")
raise SystemExit(links != {"plain": [], "mapped": ["for MyBashOperator only"]})
LOOK
AIRFLOW_HOME="$folder/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR \
    "$folder/venv/bin/python" -W ignore "$folder/look.py" 2>/dev/null
