"""IAM in the endpoint: who calls, what each operation needs, and files that are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_emrs_ext.job_spec import eks_spark_submit, spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError, local_emr
from tests.endpoint.local.test_cli import SIMULATED, refused
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/job"
USER = "arn:aws:iam::123456789012:user/somebody"
SERVERLESS = "arn:aws:emr-serverless:us-east-1:123456789012:"
CONTAINERS = "arn:aws:emr-containers:us-east-1:123456789012:"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **one} for one in statements]}


EVERYTHING = {"arn": "arn:aws:iam::123456789012:user/admin", "policy": policy({"Action": "*"})}


def allow(emr: LocalEmr, *statements: dict[str, Any]) -> None:
    policies = [policy(*statements)] if statements else []
    emr.set_callers({"test": EVERYTHING, "somebody": {"arn": USER, "policy": policies}})


def somebody(emr: LocalEmr, service: str = "emr-serverless") -> Any:
    return emr.client(service, aws_access_key_id="somebody", aws_secret_access_key="any")


def denied(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("AccessDeniedException", 403)
    return str(response["Error"]["Message"])


def create(emr: LocalEmr, **members: Any) -> str:
    created = emr.client("emr-serverless").create_application(type="SPARK", releaseLabel="emr-7.13.0", **members)
    return str(created["applicationId"])


def test_what_is_not_allowed_is_denied_in_the_words_of_aws_and_has_no_effect(emr: LocalEmr) -> None:
    allow(emr, {"Action": "emr-serverless:Get*"})
    assert denied(lambda: somebody(emr).create_application(type="SPARK", releaseLabel="emr-7.9.0")) == (
        f"User: {USER} is not authorized to perform: emr-serverless:CreateApplication on resource: {SERVERLESS}/*"
        " because no identity-based policy allows the emr-serverless:CreateApplication action"
    )
    assert emr.applications() == []
    allow(emr, {"Action": "*"}, {"Action": "emr-serverless:List*", "Effect": "Deny"})
    assert denied(lambda: somebody(emr).list_applications()) == (
        f"User: {USER} is not authorized to perform: emr-serverless:ListApplications on resource: {SERVERLESS}/*"
        " with an explicit deny in an identity-based policy"
    )


def test_a_caller_that_is_not_named_is_unknown(emr: LocalEmr) -> None:
    allow(emr, {"Action": "*"})
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        emr.client("emr-serverless", aws_access_key_id="other", aws_secret_access_key="x").list_applications()
    emr.set_callers(None)
    emr.client("emr-serverless", aws_access_key_id="other", aws_secret_access_key="x").list_applications()


def test_a_reset_forgets_the_callers(emr: LocalEmr) -> None:
    allow(emr)
    emr.reset()
    assert somebody(emr).list_applications()["applications"] == []


# Operation, its members, and its resource below the account.
SERVERLESS_RESOURCES: list[tuple[str, dict[str, Any], str]] = [
    ("list_applications", {}, "/*"),
    ("get_application", {"applicationId": "00f1"}, "/applications/00f1"),
    ("update_application", {"applicationId": "00f1"}, "/applications/00f1"),
    ("delete_application", {"applicationId": "00f1"}, "/applications/00f1"),
    ("start_application", {"applicationId": "00f1"}, "/applications/00f1"),
    ("stop_application", {"applicationId": "00f1"}, "/applications/00f1"),
    ("start_job_run", {"applicationId": "00f1", "executionRoleArn": ROLE}, "/applications/00f1"),
    ("list_job_runs", {"applicationId": "00f1"}, "/applications/00f1"),
    ("get_job_run", {"applicationId": "00f1", "jobRunId": "00j"}, "/applications/00f1/jobruns/00j"),
    ("cancel_job_run", {"applicationId": "00f1", "jobRunId": "00j"}, "/applications/00f1/jobruns/00j"),
    ("list_job_run_attempts", {"applicationId": "00f1", "jobRunId": "00j"}, "/applications/00f1/jobruns/00j"),
    ("get_dashboard_for_job_run", {"applicationId": "00f1", "jobRunId": "00j"}, "/applications/00f1/jobruns/00j"),
    ("start_session", {"applicationId": "00f1", "executionRoleArn": ROLE}, "/applications/00f1"),
    ("list_sessions", {"applicationId": "00f1"}, "/applications/00f1"),
    ("get_session", {"applicationId": "00f1", "sessionId": "00s"}, "/applications/00f1/sessions/00s"),
    ("get_session_endpoint", {"applicationId": "00f1", "sessionId": "00s"}, "/applications/00f1/sessions/00s"),
    ("terminate_session", {"applicationId": "00f1", "sessionId": "00s"}, "/applications/00f1/sessions/00s"),
    (
        "get_resource_dashboard",
        {"applicationId": "00f1", "resourceId": "00s", "resourceType": "SESSION"},
        "/applications/00f1/sessions/00s",
    ),
    ("tag_resource", {"resourceArn": f"{SERVERLESS}/applications/00f1", "tags": {"a": "b"}}, "/applications/00f1"),
    ("untag_resource", {"resourceArn": f"{SERVERLESS}/applications/00f1", "tagKeys": ["a"]}, "/applications/00f1"),
    ("list_tags_for_resource", {"resourceArn": f"{SERVERLESS}/applications/00f1"}, "/applications/00f1"),
]
ENDPOINT = {"virtualClusterId": "v1", "id": "e1"}
IDENTIFIERS = {"endpointIdentifier": f"{CONTAINERS}/virtualclusters/v1/endpoints/e1", "virtualClusterIdentifier": "v1"}
CONTAINERS_RESOURCES: list[tuple[str, dict[str, Any], str]] = [
    ("list_virtual_clusters", {}, "/*"),
    ("describe_virtual_cluster", {"id": "v1"}, "/virtualclusters/v1"),
    ("delete_virtual_cluster", {"id": "v1"}, "/virtualclusters/v1"),
    ("start_job_run", {"virtualClusterId": "v1"}, "/virtualclusters/v1"),
    ("list_job_runs", {"virtualClusterId": "v1"}, "/virtualclusters/v1"),
    ("describe_job_run", {"virtualClusterId": "v1", "id": "00j"}, "/virtualclusters/v1/jobruns/00j"),
    ("cancel_job_run", {"virtualClusterId": "v1", "id": "00j"}, "/virtualclusters/v1/jobruns/00j"),
    ("list_job_templates", {}, "/*"),
    ("describe_job_template", {"id": "t1"}, "/jobtemplates/t1"),
    ("delete_job_template", {"id": "t1"}, "/jobtemplates/t1"),
    ("list_managed_endpoints", {"virtualClusterId": "v1"}, "/virtualclusters/v1"),
    ("describe_managed_endpoint", ENDPOINT, "/virtualclusters/v1/endpoints/e1"),
    ("delete_managed_endpoint", ENDPOINT, "/virtualclusters/v1/endpoints/e1"),
    (
        "get_managed_endpoint_session_credentials",
        {**IDENTIFIERS, "executionRoleArn": ROLE, "credentialType": "TOKEN"},
        "/virtualclusters/v1/endpoints/e1",
    ),
]


@pytest.mark.parametrize(
    ("prefix", "operation", "members", "resource"),
    [
        pytest.param(prefix, *case, id=f"{prefix.split(':')[2]}-{case[0]}")
        for prefix, cases in ((SERVERLESS, SERVERLESS_RESOURCES), (CONTAINERS, CONTAINERS_RESOURCES))
        for case in cases
    ],
)
def test_each_operation_is_about_its_resource(
    emr: LocalEmr, prefix: str, operation: str, members: dict[str, Any], resource: str
) -> None:
    allow(emr)
    client = somebody(emr, prefix.split(":")[2])
    said = denied(lambda: getattr(client, operation)(**members))
    name = client.meta.method_to_api_mapping[operation]
    assert f" to perform: {prefix.split(':')[2]}:{name} on resource: {prefix}{resource} because" in said


def test_to_start_a_job_run_a_role_is_passed_to_the_service(emr: LocalEmr) -> None:
    application_id = create(emr)

    def start() -> Any:
        return somebody(emr).start_job_run(
            applicationId=application_id, executionRoleArn=ROLE, jobDriver=spark_submit("s3://b/j.py")
        )

    def passing(resource: str, service: str) -> dict[str, Any]:
        condition = {"StringEquals": {"iam:PassedToService": service}}
        return {"Action": "iam:PassRole", "Resource": resource, "Condition": condition}

    mine = {"Action": "emr-serverless:StartJobRun"}
    allow(emr, mine)
    assert f"iam:PassRole on resource: {ROLE} because" in denied(start)
    allow(emr, mine, passing(ROLE, "ec2.amazonaws.com"))
    assert "iam:PassRole" in denied(start)
    allow(emr, mine, passing(f"{ROLE}s", "emr-serverless.amazonaws.com"))
    assert "iam:PassRole" in denied(start)
    assert emr.job_runs() == []
    allow(emr, mine, passing(ROLE, "emr-serverless.amazonaws.com"))
    start()


def test_tags_decide(emr: LocalEmr) -> None:
    """The policies of the user guide's pages on tags."""
    ours, theirs = create(emr, tags={"department": "dev"}), create(emr, tags={"department": "web"})
    for prefix in ("aws", "emr-serverless"):
        condition = {"StringEquals": {f"{prefix}:ResourceTag/department": ["dev", "test"]}}
        allow(emr, {"Action": "emr-serverless:GetApplication", "Condition": condition})
        somebody(emr).get_application(applicationId=ours)
        denied(lambda: somebody(emr).get_application(applicationId=theirs))

    def make(**tags: str) -> Any:
        return somebody(emr).create_application(type="SPARK", releaseLabel="emr-7.9.0", tags=tags)

    named = {"Null": {"emr-serverless:RequestTag/department": "false"}}
    allow(emr, {"Action": "emr-serverless:CreateApplication", "Condition": named})
    assert f"emr-serverless:TagResource on resource: {SERVERLESS}/applications/* because" in denied(
        lambda: make(department="dev")
    )
    known = {"ForAllValues:StringEquals": {"aws:TagKeys": ["department", "team"]}}
    allow(
        emr,
        {"Action": "emr-serverless:CreateApplication", "Condition": named},
        {"Action": "emr-serverless:TagResource", "Condition": known},
    )
    make(department="dev", team="data")
    assert "CreateApplication" in denied(lambda: make(team="data"))
    assert "TagResource" in denied(lambda: make(department="dev", other="x"))

    foreign = {"StringNotEquals": {"emr-serverless:ResourceTag/department": "dev"}}
    tagging = {"Action": ["emr-serverless:TagResource", "emr-serverless:UntagResource"]}
    allow(emr, tagging, {**tagging, "Effect": "Deny", "Condition": foreign})
    somebody(emr).tag_resource(resourceArn=f"{SERVERLESS}/applications/{ours}", tags={"a": "b"})
    assert "with an explicit deny" in denied(
        lambda: somebody(emr).untag_resource(resourceArn=f"{SERVERLESS}/applications/{theirs}", tagKeys=["a"])
    )


def test_emr_on_eks_has_condition_keys_for_role_and_template(emr: LocalEmr) -> None:
    admin, client = emr.client("emr-containers"), somebody(emr, "emr-containers")
    provider = {"type": "EKS", "id": "eks", "info": {"eksInfo": {"namespace": "spark"}}}
    cluster_id = admin.create_virtual_cluster(name="v", containerProvider=provider)["id"]
    work = {"executionRoleArn": ROLE, "releaseLabel": "emr-7.9.0-latest", "jobDriver": eks_spark_submit("s3://b/j.py")}
    template = admin.create_job_template(name="t", jobTemplateData=work, clientToken="t", tags={"team": "data"})

    role = {"ArnLike": {"emr-containers:ExecutionRoleArn": ROLE}}
    allow(emr, {"Action": "emr-containers:StartJobRun", "Condition": role})
    client.start_job_run(virtualClusterId=cluster_id, **work)
    denied(lambda: client.start_job_run(virtualClusterId=cluster_id, **{**work, "executionRoleArn": f"{ROLE}s"}))

    from_template = {"StringEquals": {"emr-containers:JobTemplateArn": template["arn"]}}
    allow(emr, {"Action": "emr-containers:StartJobRun", "Condition": from_template})
    denied(lambda: client.start_job_run(virtualClusterId=cluster_id, **work))
    templated = {"virtualClusterId": cluster_id, "jobTemplateId": template["id"]}
    assert f"emr-containers:DescribeJobTemplate on resource: {template['arn']} because" in denied(
        lambda: client.start_job_run(**templated)
    )
    tagged = {"StringEquals": {"aws:ResourceTag/team": "data"}}
    allow(
        emr,
        {"Action": "emr-containers:StartJobRun", "Condition": from_template},
        {"Action": "emr-containers:DescribeJobTemplate", "Condition": tagged},
    )
    client.start_job_run(**templated)
    allow(emr, {"Action": "*"}, {"Action": "emr-containers:StartJobRun", "Effect": "Deny", "Condition": role})
    assert "with an explicit deny" in denied(lambda: client.start_job_run(**templated)), "the template's role counts"


def test_persistent_uis_are_actions_of_amazon_emr(emr: LocalEmr) -> None:
    allow(emr)
    client = somebody(emr, "emr")
    said = denied(lambda: client.describe_persistent_app_ui(PersistentAppUIId="p-1"))
    assert "elasticmapreduce:DescribePersistentAppUI on resource: * because" in said


def test_clusters_are_resources_of_amazon_emr(emr: LocalEmr) -> None:
    client = somebody(emr, "emr")
    allow(emr, {"Action": "elasticmapreduce:RunJobFlow"})
    make = {"Name": "mine", "ReleaseLabel": "emr-spark-8.0.0", "Instances": {"KeepJobFlowAliveWhenNoSteps": True}}
    one, other = (client.run_job_flow(**make) for _ in range(2))
    allow(emr, {"Action": "elasticmapreduce:*", "Resource": one["ClusterArn"]})
    assert client.describe_cluster(ClusterId=one["JobFlowId"])["Cluster"]["Name"] == "mine"
    said = denied(lambda: client.list_sessions(ClusterId=other["JobFlowId"]))
    assert f"elasticmapreduce:ListSessions on resource: {other['ClusterArn']} because" in said
    denied(lambda: client.terminate_job_flows(JobFlowIds=[one["JobFlowId"], other["JobFlowId"]]))
    client.terminate_job_flows(JobFlowIds=[one["JobFlowId"]])
    role = {"StringEquals": {"elasticmapreduce:ExecutionRoleArn": "arn:aws:iam::123456789012:role/jobs"}}
    allow(emr, {"Action": "elasticmapreduce:StartSession", "Condition": role})
    denied(lambda: client.start_session(ClusterId=other["JobFlowId"]))
    with pytest.raises(ClientError, match="Sessions are not enabled"):
        client.start_session(ClusterId=other["JobFlowId"], ExecutionRoleArn="arn:aws:iam::123456789012:role/jobs")


def test_the_callers_of_a_file_outlive_a_reset(tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    file.write_text(json.dumps({"test": EVERYTHING, "somebody": {"arn": USER, "policy": []}}))
    with local_emr(iam=file) as emr:
        emr.set_callers(None)
        somebody(emr).list_applications()
        emr.reset()
        denied(lambda: somebody(emr).list_applications())
        application_id = create(emr)
        eventually(lambda: [one["applicationId"] for one in emr.applications()] == [application_id])


BAD = [
    ("nonsense", "cannot be read as JSON: Expecting value: line 1"),
    ('{"a": 1, "a": 2}', "cannot be read as JSON: 'a' is there twice"),
    ("[]", "must be a JSON object of access key ids"),
    ('{"a/b": {}}', "'a/b': is no access key id"),
    ('{"a": {"arn": "x"}}', 'a: must be {"arn": …, "policy": …}'),
    (json.dumps({"a": {**EVERYTHING, "arn": ROLE}}), "a: arn: must be that of a user"),
    (json.dumps({"a": {**EVERYTHING, "arn": "arn:aws:iam::210987654321:user/x"}}), "of this endpoint's account"),
    (json.dumps({"a": {**EVERYTHING, "policy": "x"}}), "a: policy: must be a JSON object with Version and Statement"),
    (
        json.dumps(
            {"a": {**EVERYTHING, "policy": [policy({"Action": "*"}), policy({"Action": "*", "NotPrincipal": "*"})]}}
        ),
        "a: policy 2: Statement 1: a statement of an identity-based policy has no element NotPrincipal",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_file_that_is_not_understood_keeps_the_endpoint_from_starting(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "policies.json"
    file.write_text(text)
    last = refused(*SIMULATED, "--iam", str(file)).splitlines()[-1]
    assert last.startswith(f"emrs-local: --iam {file}: ")
    assert said in last


def test_a_file_that_is_not_there_keeps_the_endpoint_from_starting(tmp_path: Path) -> None:
    said = refused(*SIMULATED, "--iam", str(tmp_path / "none.json"))
    assert said.splitlines()[-1] == f"emrs-local: --iam {tmp_path / 'none.json'}: No such file or directory"


def test_callers_that_are_not_understood_change_nothing(emr: LocalEmr) -> None:
    allow(emr)
    with pytest.raises(LocalEmrError, match="400 a: arn: must be that of a user"):
        emr.set_callers({"a": {**EVERYTHING, "arn": ROLE}})
    denied(lambda: somebody(emr).list_applications())
