"""One operator, without a DAG."""

from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator


def test_the_application_has_its_limit(emr, run_dag):
    create = EmrServerlessCreateApplicationOperator(
        task_id="create", release_label="emr-7.9.0", maximum_capacity={"cpu": "16 vCPU", "memory": "64 GB"}
    )

    run = run_dag(create)

    (application,) = emr.applications()
    assert run.tasks["create"].result["application_id"] == application["applicationId"]
    assert application["maximumCapacity"]["cpu"] == "16 vCPU"
