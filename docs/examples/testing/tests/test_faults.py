"""What the DAG does when the service throttles, or does not answer: each fault is injected into the local endpoint."""

DAG = "dags/nightly_sales.py"


def test_throttling_is_waited_out(emr, run_dag):
    emr.inject("StartJobRun", "throttle", times=3)

    run = run_dag(DAG)

    assert run.tasks["totals"].result["state"] == "SUCCESS"
    answers = [call["status"] for call in emr.calls("StartJobRun")]
    assert answers == [429, 429, 429, 200]


def test_an_answer_that_is_lost_doubles_no_job_run(emr, run_dag):
    emr.inject("StartJobRun", "drop")

    run_dag(DAG)

    assert [job_run["state"] for job_run in emr.job_runs()] == ["SUCCESS"]
