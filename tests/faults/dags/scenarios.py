"""One DAG for each scenario of the file beside this one: a task that starts a job run or a session."""

import json
import time
from datetime import timedelta
from pathlib import Path

try:
    from airflow.sdk import DAG, get_parsing_context
except ImportError:
    from airflow import DAG
    from airflow.utils.dag_parsing_context import get_parsing_context

from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator

FILE = Path(__file__).with_suffix(".json")
ROLE = "arn:aws:iam::123456789012:role/work"
DURATIONS = ("dagrun_timeout", "execution_timeout", "retry_delay")


class Held:
    """An operator that stops where a test wants to find it: there is a file, and it goes no further."""

    def hold(self, where):
        gate = FILE.parent / f"{self.dag_id}.{where}"
        try:
            gate.rename(f"{gate}.reached")
        except FileNotFoundError:
            return
        time.sleep(600)

    def defer(self, **kwargs):
        self.hold("deferral")
        super().defer(**kwargs)

    def post_execute(self, context, result=None):
        self.hold("end")
        super().post_execute(context, result)


class StartJobRun(Held, EmrServerlessStartJobRunOperator):
    pass


class StartEksJobRun(Held, EmrContainersStartJobRunOperator):
    pass


class StartSession(Held, EmrServerlessStartSessionOperator):
    pass


def durations(parameters):
    """Seconds as what Airflow takes."""
    return {name: timedelta(seconds=value) if name in DURATIONS else value for name, value in parameters.items()}


for scenario in json.loads(FILE.read_text()):
    # A task needs its own DAG only.
    if get_parsing_context().dag_id not in (None, scenario["dag_id"]):
        continue
    with DAG(dag_id=scenario["dag_id"], schedule=None, **durations(scenario["dag"])):
        common = {
            "task_id": "start",
            "execution_role_arn": ROLE,
            "deferrable": scenario["deferrable"],
            "retry_delay": timedelta(seconds=1),
            **durations(scenario["parameters"]),
        }
        argument = f"{{{{ var.value.get('{scenario['dag_id']}', '{scenario['argument']}') }}}}"
        driver = {"entryPoint": "s3://jobs/job.py", "entryPointArguments": [argument]}
        if scenario["kind"] == "eks_job_run":
            StartEksJobRun(
                virtual_cluster_id=scenario["place"],
                release_label="emr-7.9.0-latest",
                job_driver={"sparkSubmitJobDriver": driver},
                **{"waiter_delay": 5, **common},
            )
            continue
        common["application_id"] = scenario["place"]
        job = {"sparkSubmit": driver}
        if scenario["kind"] == "session":
            StartSession(idle_timeout_minutes=argument, **{"waiter_delay": 5, **common})
        elif scenario["kind"] == "job_run":
            StartJobRun(job_driver=job, **{"waiter_delay": 5, **common})
        else:
            # Imported here: it takes long, and most files have no such task.
            from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator

            EmrServerlessStartJobOperator(job_driver=job, name=f"{scenario['dag_id']}.start", **common)
