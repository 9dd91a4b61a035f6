"""What the DAG does when its job run goes this way or that: simulated, without Java."""

from datetime import datetime

from airflow_emrs_ext.local.testing import ScriptedAttempt

DAG = "dags/nightly_sales.py"


def test_a_second_attempt_is_enough(emr, run_dag):
    emr.script([ScriptedAttempt(succeeded=False, details="out of memory"), ScriptedAttempt()], name="totals-*")

    run = run_dag(DAG, logical_date=datetime(2026, 3, 1))

    assert run.tasks["report"].result == "totals-2026-03-01: SUCCESS after 2 attempt(s)"
    (job_run,) = emr.job_runs()
    assert job_run["jobDriver"]["sparkSubmit"]["entryPointArguments"][0] == "s3://acme-sales/2026-03-01/"


def test_nothing_is_reported_and_nothing_is_left_when_the_job_fails(emr, run_dag):
    emr.script([ScriptedAttempt(succeeded=False, details="no such column: amount")], name="totals-*")

    run = run_dag(DAG, expect="failed")

    assert run.tasks["totals"].state == "failed"
    assert "no such column: amount" in str(run.tasks["totals"].error)
    assert run.tasks["report"].state == "upstream_failed"
    assert run.tasks["delete_application"].state == "success"
    assert [application["state"] for application in emr.applications()] == ["TERMINATED"]
