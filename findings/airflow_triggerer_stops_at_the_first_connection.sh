#!/usr/bin/env bash
# The first trigger that asks for a connection stops the whole triggerer of Airflow 3.3 for seconds.
#
# Triggers run in a process of their own, and a second one watches it: it takes new triggers from the database, cancels
# those whose task is no longer deferred, and writes the heartbeat. People expect that a trigger which asks for a
# connection of the database, by `await BaseHook.aget_connection(...)`, holds up nobody else. At the first such question
# the watching process imports the execution API and builds it in itself, in the loop that does all of the above. As
# long as that takes, no heartbeat is written, no new trigger starts and none is cancelled. It takes seconds on a quiet
# machine and took 39 s on one with both cores busy, past `triggerer_health_check_threshold` (30 s unless set); the log
# then says that the event loop of the other process "appears deadlocked", which it was not: the trigger below ticks on.
#
# Seen with apache-airflow 3.3.2 (apache-airflow-core 3.3.2, apache-airflow-task-sdk 1.3.2), Python 3.11:
#   longest pause between two heartbeats: before the question 2.0 s, at the question 7.4 s
#   longest pause of the trigger's own clock meanwhile: 0.2 s
#
# Exits with 0 as long as the pause at the question is more than twice that before.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${triggerer:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-airflow==3.3.2 apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2
mkdir -p "$folder/home/dags" "$folder/home/plugins"
cat > "$folder/home/plugins/asking.py" <<'PLUGIN'
import asyncio
import time
from pathlib import Path

from airflow.sdk import BaseHook
from airflow.triggers.base import BaseTrigger


class AskingTrigger(BaseTrigger):
    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def serialize(self):
        return "asking.AskingTrigger", {"folder": self.folder}

    async def run(self):
        clock = asyncio.create_task(self.tick())
        while not Path(self.folder, "ask").exists():
            await asyncio.sleep(0.1)
        await BaseHook.aget_connection("a_connection")
        Path(self.folder, "answered").touch()
        await clock
        yield None

    async def tick(self):
        with Path(self.folder, "ticks").open("a") as ticks:
            while True:
                print(time.time(), file=ticks, flush=True)
                await asyncio.sleep(0.2)
PLUGIN
cat > "$folder/home/dags/a_dag.py" <<'DAG'
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("a_dag", schedule=None):
    EmptyOperator(task_id="a_task")
DAG
cat > "$folder/look.py" <<'LOOK'
import sys
import time
from pathlib import Path

from sqlalchemy import select

from airflow.jobs.job import Job
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session

folder = Path(sys.argv[1])
with create_session() as session:
    trigger = Trigger(classpath="asking.AskingTrigger", kwargs={"folder": str(folder)})
    session.add(trigger)
    session.flush()
    task = session.scalars(select(TaskInstance)).one()
    task.state, task.trigger_id = "deferred", trigger.id


def look_until(done, seconds):
    """The longest pause between two heartbeats, until the end of one after it is done."""
    pauses, last, since, until = [0.0], None, time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < until:
        with create_session() as session:
            beat = session.scalars(select(Job.latest_heartbeat).where(Job.job_type == "TriggererJob")).first()
        if beat != last:
            pauses.append(time.monotonic() - since)
            last, since = beat, time.monotonic()
            if done():
                return max(pauses)
        time.sleep(0.05)
    raise SystemExit("the triggerer did not do it in time")


ticks = folder / "ticks"
look_until(ticks.exists, 180)
began = time.monotonic()
before = look_until(lambda: time.monotonic() - began > 10, 60)
asked = time.time()
(folder / "ask").touch()
at = look_until((folder / "answered").exists, 180)
times = [float(line) for line in ticks.read_text().splitlines()]
times = [one for one in times if one > asked]
clock = max(later - sooner for sooner, later in zip(times, times[1:]))
print(f"longest pause between two heartbeats: before the question {before:.1f} s, at the question {at:.1f} s")
print(f"longest pause of the trigger's own clock meanwhile: {clock:.1f} s")
raise SystemExit(at < 2 * before)
LOOK
export AIRFLOW_HOME="$folder/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR \
    AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC=1 PYTHONWARNINGS=ignore \
    PATH="$folder/venv/bin:$PATH"
cd "$folder"
airflow db migrate > setup.log 2>&1
airflow connections add a_connection --conn-uri http://example.com >> setup.log 2>&1
airflow dags reserialize >> setup.log 2>&1
airflow dags trigger a_dag >> setup.log 2>&1
python - >> setup.log 2>&1 <<'INSTANCE'
from sqlalchemy import select

from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.session import create_session

with create_session() as session:
    run = session.scalars(select(DagRun)).one()
    run.dag = SerializedDagModel.get_dag("a_dag")
    run.verify_integrity(dag_version_id=SerializedDagModel.get("a_dag").dag_version_id, session=session)
INSTANCE
airflow triggerer --skip-serve-logs > triggerer.log 2>&1 &
triggerer=$!
python look.py "$folder"
