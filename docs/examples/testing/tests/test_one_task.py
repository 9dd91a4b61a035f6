"""One operator, without a DAG."""

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import ScriptedAttempt
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator


def test_the_application_has_its_limit(emr, run_dag):
    create = EmrServerlessCreateApplicationOperator(
        task_id="create", release_label="emr-7.9.0", maximum_capacity={"cpu": "16 vCPU", "memory": "64 GB"}
    )

    run = run_dag(create)

    (application,) = emr.applications()
    assert run.tasks["create"].result["application_id"] == application["applicationId"]
    assert application["maximumCapacity"]["cpu"] == "16 vCPU"


def test_airflow_tries_again_with_another_job_run(emr, run_dag):
    application = emr.client("emr-serverless").create_application(type="SPARK", releaseLabel="emr-7.9.0")
    job = EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application["applicationId"],
        execution_role_arn="arn:aws:iam::123456789012:role/nightly-sales",
        job_driver=spark_submit("s3://acme-jobs/totals.py"),
        retries=1,
    )
    emr.script([ScriptedAttempt(succeeded=False)], times=1)

    run = run_dag(job)

    assert run.tasks["job"].tries == 2
    assert sorted(job_run["state"] for job_run in emr.job_runs()) == ["FAILED", "SUCCESS"]
