"""Each rule of the guide, with a request below and one at its release: the same sentence everywhere."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.releases import label_of
from airflow_emrs_ext.local.services.emr_serverless.monitoring import LOG_TYPES
from airflow_emrs_ext.local.services.emr_serverless.rules import CLASSIFICATIONS, FEATURES, UNCERTAIN, Feature
from tests.endpoint.local.services.emr_serverless.lab import Lab, Sessions
from tests.service_models.rules_page import PAGE, page

ROLE = "arn:aws:iam::123456789012:role/job"
SPARK = {"sparkSubmit": {"entryPoint": "s3://code/job.py"}}
LOCATIONS = "--hiveconf hive.exec.scratchdir=s3://b/scratch --hiveconf hive.metastore.warehouse.dir=s3://b/warehouse"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/spark:1"
METRICS = "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write"
WORKER = {"cpu": "4 vCPU", "memory": "16 GB", "diskType": "SHUFFLE_OPTIMIZED"}


def conf(classification: str, **properties: str) -> dict[str, Any]:
    named = {name.replace("__", "."): value for name, value in properties.items()}
    return {"classification": classification, "properties": named}


def defaults(name: str, value: str) -> dict[str, Any]:
    return {"runtimeConfiguration": [{"classification": "spark-defaults", "properties": {name: value}}]}


def submitted(parameters: str) -> dict[str, Any]:
    return {"jobDriver": {"sparkSubmit": {**SPARK["sparkSubmit"], "sparkSubmitParameters": parameters}}}


# Of the application, and of the job run.
Asked = tuple[dict[str, Any], dict[str, Any]]
REQUESTS: dict[str, list[Asked]] = {
    "sessions": [({"interactiveConfiguration": {"sessionEnabled": True}}, {})],
    "job concurrency and queuing": [({"schedulerConfiguration": {"maxConcurrentRuns": 3}}, {})],
    "custom images": [
        ({"imageConfiguration": {"imageUri": IMAGE}}, {}),
        ({"workerTypeSpecifications": {"DRIVER": {"imageConfiguration": {"imageUri": IMAGE}}}}, {}),
    ],
    "workers of the architecture ARM64": [({"architecture": "ARM64"}, {})],
    "notebooks of EMR Studio": [({"interactiveConfiguration": {"studioEnabled": True}}, {})],
    "Apache Livy endpoints": [({"interactiveConfiguration": {"livyEndpointEnabled": True}}, {})],
    "shuffle-optimized disks": [
        ({"initialCapacity": {"DRIVER": {"workerCount": 1, "workerConfiguration": WORKER}}}, {}),
        (defaults("spark.emr-serverless.driver.disk.type", "shuffle_optimized"), {}),
        ({}, submitted("--conf spark.emr-serverless.executor.disk.type=shuffle_optimized")),
    ],
    "metrics in Amazon Managed Service for Prometheus": [
        ({"monitoringConfiguration": {"prometheusMonitoringConfiguration": {"remoteWriteUrl": METRICS}}}, {}),
    ],
    "retries": [({}, {"retryPolicy": {"maxAttempts": 2}})],
    "job runs in STREAMING mode": [({}, {"mode": "STREAMING"})],
    "access controls of Lake Formation": [
        (defaults("spark.emr-serverless.lakeformation.enabled", "true"), {}),
    ],
    "mutual TLS between workers": [
        (defaults("spark.ssl.internode.enabled", "true"), {}),
        ({}, submitted("--conf spark.ssl.internode.enabled=true")),
    ],
    "S3 Access Grants": [({}, submitted("--conf spark.hadoop.fs.s3.s3AccessGrants.enabled=true"))],
    "roles for single buckets": [({}, submitted("--conf spark.hadoop.fs.s3.bucketLevelAssumeRoleMapping=b->arn"))],
    "Log4j 2 properties": [
        ({"runtimeConfiguration": [conf("spark-driver-log4j2", **{"rootLogger.level": "error"})]}, {}),
        ({}, {"configurationOverrides": {"applicationConfiguration": [conf("spark-executor-log4j2", a="b")]}}),
    ],
}


def subject(feature: Feature) -> str:
    return feature.what.removesuffix(" are").removesuffix(" is")


CASES = [(feature, asked) for feature in FEATURES for asked in REQUESTS[subject(feature)]]


async def ask(lab: Lab, label: str, asked: Asked, engine: str = "SPARK") -> None:
    application, run = asked
    application_id = await lab.application(type=engine, releaseLabel=label, **application)
    if run:
        await lab.submit(application_id, **{"jobDriver": SPARK, **run})


@pytest.mark.parametrize(("feature", "asked"), CASES)
async def test_a_feature_is_there_from_its_release_on(lab: Lab, feature: Feature, asked: Asked) -> None:
    major, minor, _ = feature.since
    before = label_of((major, minor - 1, 0)) if minor else "emr-6.15.0"

    with pytest.raises(ApiError) as refused:
        await ask(lab, before, asked)
    await ask(lab, label_of(feature.since), asked)

    assert refused.value.code == "ValidationException"
    assert refused.value.message.endswith(
        f": {feature.what} supported from release {label_of(feature.since)}, not in {before}"
        f" (user guide: {feature.section})"
    )


@pytest.mark.parametrize(("feature", "asked"), [case for case in CASES if len(case[0].engines) == 1 and case[1][0]])
async def test_a_feature_of_spark_is_none_of_hive(lab: Lab, feature: Feature, asked: Asked) -> None:
    with pytest.raises(ApiError, match=rf": {feature.what} for Spark applications only, this is a Hive one"):
        await ask(lab, "emr-7.14.0", asked, "HIVE")


async def test_the_preview_of_spark_4_has_no_sessions(lab: Lab) -> None:
    with pytest.raises(ApiError, match=r"supported from release emr-7\.13\.0, not in emr-spark-8\.0-preview"):
        await ask(lab, "emr-spark-8.0-preview", REQUESTS["sessions"][0])


async def test_an_update_is_checked_as_a_whole(lab: Lab) -> None:
    """What the application has already asks for its release, too."""
    application_id = await lab.application(releaseLabel="emr-7.5.0", architecture="ARM64")
    update = {"applicationId": application_id, "clientToken": "u"}

    with pytest.raises(ApiError, match="architecture: workers of the architecture ARM64 are supported from"):
        await lab.service.update_application(**update, releaseLabel="emr-6.8.0")
    assert (await lab.get_application(application_id))["releaseLabel"] == "emr-7.5.0"


@pytest.mark.parametrize(
    ("label", "newest"),
    [("emr-7.15.0", "emr-7.14.0"), ("emr-7.99.0", "emr-7.14.0"), ("emr-spark-8.2.0", "emr-spark-8.1.0")],
)
async def test_a_release_that_nobody_here_knows(lab: Lab, label: str, newest: str) -> None:
    with pytest.raises(ApiError, match=f"releaseLabel: {label} is newer than .* package knows, {newest}"):
        await lab.application(releaseLabel=label)


@pytest.mark.parametrize("classification", ["spark-hive-site", "hadoop-env", "a"])
async def test_a_classification_that_the_service_does_not_know(lab: Lab, classification: str) -> None:
    sentence = rf"\.1\.classification: Unknown configuration overrides classification: {classification};"
    with pytest.raises(ApiError, match=sentence):
        await lab.application(runtimeConfiguration=[conf(classification)])
    application_id, overrides = await lab.application(), {"applicationConfiguration": [conf(classification)]}
    with pytest.raises(ApiError, match=sentence):
        await lab.submit(application_id, configurationOverrides=overrides)


@pytest.mark.parametrize("classification", CLASSIFICATIONS)
async def test_one_that_the_guide_names(lab: Lab, classification: str, caplog: pytest.LogCaptureFixture) -> None:
    await lab.application(runtimeConfiguration=[conf(classification)])
    assert not caplog.messages


@pytest.mark.parametrize("classification", UNCERTAIN)
async def test_one_of_which_the_guide_says_nothing(
    lab: Lab, classification: str, caplog: pytest.LogCaptureFixture
) -> None:
    await lab.application(runtimeConfiguration=[conf(classification)])
    assert f"the user guide does not name {classification}; AWS may refuse it" in caplog.text


@pytest.mark.parametrize("name", ["rootLogger.appenderRef.stdout.ref", "appender.console.target"])
async def test_properties_of_log4j_that_are_fixed(lab: Lab, name: str) -> None:
    given = {"classification": "spark-driver-log4j2", "properties": {name: "x"}}
    with pytest.raises(ApiError, match=rf"1\.properties\.{name}: {name} is not configurable for Spark processes"):
        await lab.application(runtimeConfiguration=[given])


async def test_a_configuration_within_another_is_looked_at(lab: Lab) -> None:
    inner = {"classification": "spark-driver-log4j2", "properties": {"appender.console.name": "x"}}
    outer = {"classification": "spark", "configurations": [inner]}
    with pytest.raises(ApiError, match=r"1\.configurations\.1\.properties\.appender\.console\.name: .* not config"):
        await lab.application(runtimeConfiguration=[outer])
    inner = {"classification": "export", "properties": {"A": "b"}}
    await lab.application(runtimeConfiguration=[{"classification": "spark-env", "configurations": [inner]}])


async def test_an_application_may_have_a_livy_endpoint_but_not_here(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    await lab.application(interactiveConfiguration={"livyEndpointEnabled": True})
    assert "interactiveConfiguration.livyEndpointEnabled: the local endpoint has no Apache Livy endpoint" in caplog.text


def cloudwatch(**log_types: list[str]) -> dict[str, Any]:
    return {"cloudWatchLoggingConfiguration": {"enabled": True, "logTypes": log_types}}


@pytest.mark.parametrize(
    ("engine", "worker_type", "log_type"),
    [
        ("SPARK", "SPARK_DRIVERS", "STDOUT"),
        ("SPARK", "spark_driver", "STDOUT"),
        ("SPARK", "TEZ_TASK", "STDERR"),
        ("SPARK", "SPARK_EXECUTOR", "HIVE_LOG"),
        ("HIVE", "SPARK_DRIVER", "STDOUT"),
        ("HIVE", "TEZ_TASK", "TEZ_AM"),
    ],
)
async def test_log_types_that_the_engine_does_not_have(lab: Lab, engine: str, worker_type: str, log_type: str) -> None:
    monitoring = cloudwatch(**{worker_type: [log_type]})
    sentence = (
        rf"onitoringConfiguration\..*\.logTypes\.{worker_type}\.1: {engine.title()} applications have no log"
        rf" {log_type} of {worker_type}, but those of {engine}_DRIVER \(STDERR, STDOUT"
    )
    with pytest.raises(ApiError, match=f"^m{sentence}"):
        await lab.application(type=engine, monitoringConfiguration=monitoring)
    application_id = await lab.application(type=engine)
    job = SPARK if engine == "SPARK" else {"hive": {"query": "SELECT 1"}}
    with pytest.raises(ApiError, match=f"configurationOverrides.m{sentence}"):
        await lab.submit(application_id, jobDriver=job, configurationOverrides={"monitoringConfiguration": monitoring})


async def test_log_types_that_the_guide_names(lab: Lab) -> None:
    for engine, types in LOG_TYPES.items():
        await lab.application(type=engine.upper(), monitoringConfiguration=cloudwatch(**types))
        lower = {worker_type: [name.lower() for name in names] for worker_type, names in types.items()}
        await lab.application(type=engine.upper(), monitoringConfiguration=cloudwatch(**lower))


async def test_tags_are_at_most_50(lab: Lab) -> None:
    tags = {f"k{number}": "v" for number in range(51)}
    with pytest.raises(ApiError, match="tags: a resource has at most 50 tags, not 51"):
        await lab.application(tags=tags)
    application_id = await lab.application()
    with pytest.raises(ApiError, match="tags: a resource has at most 50 tags, not 51"):
        await lab.submit(application_id, tags=tags)
    del tags["k0"]
    run_id = await lab.submit(application_id, tags=tags)
    arn = (await lab.get(run_id))["arn"]
    with pytest.raises(ApiError, match="at most 50 tags, this one would have 51"):
        await lab.service.tag_resource(resourceArn=arn, tags={"k0": "v"})


@pytest.mark.parametrize(
    ("parameters", "configured", "problem"),
    [
        ("", {}, "hive.exec.scratchdir: must be a location on Amazon S3, and the job has none"),
        (
            "--hiveconf hive.exec.scratchdir=s3://b/s",
            {},
            "hive.metastore.warehouse.dir: must be a location on Amazon S3, and the job has none",
        ),
        (
            LOCATIONS.replace("s3://b/scratch", "/tmp/scratch"),
            {},
            "hive.exec.scratchdir: must be a location on Amazon S3, not '/tmp/scratch'",
        ),
        (LOCATIONS, {}, None),
        ("--hiveconf hive.exec.scratchdir=s3://b/s", {"hive.metastore.warehouse.dir": "s3://b/w"}, None),
    ],
)
async def test_a_hive_job_fails_without_its_locations(
    lab: Lab, parameters: str, configured: dict[str, str], problem: str | None
) -> None:
    runtime = [{"classification": "hive-site", "properties": configured}]
    application_id = await lab.application(type="HIVE", runtimeConfiguration=runtime)
    driver = {"hive": {"query": "SELECT 1", "parameters": parameters}}
    run = await lab.ended(await lab.submit(application_id, jobDriver=driver))

    if problem is None:
        assert run["state"] == "SUCCESS"
    else:
        assert run["state"] == "FAILED"
        remedy = "; give it with --hiveconf, or in hive-site (user guide: Hive job properties)"
        assert run["stateDetails"] == problem + remedy


async def test_a_lenient_endpoint_takes_and_says_it_all(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    lab.config.update({"lenient": True})
    tags = {f"k{number}": "v" for number in range(51)}
    application_id = await lab.application(
        releaseLabel="emr-7.99.0", tags=tags, runtimeConfiguration=[conf("spark-hive-site")]
    )
    run_id = await lab.submit(application_id, tags=tags)

    assert (await lab.ended(run_id))["state"] == "SUCCESS"
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert all(message.startswith("taken because of --lenient, though AWS refuses it: ") for message in said)
    for part in ("emr-7.99.0 is newer", "classification: spark-hive-site", "at most 50 tags"):
        assert any(part in message for message in said)


def test_the_page_of_the_rules_is_made_from_them() -> None:
    """``python -m tests.service_models.rules_page`` makes it."""
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("kind", ["job run", "session"])
async def test_without_managed_storage_there_is_no_ui(lab: Lab, kind: str) -> None:
    off = {"managedPersistenceMonitoringConfiguration": {"enabled": False}}
    application_id = await lab.application(
        releaseLabel="emr-7.13.0", monitoringConfiguration=off, interactiveConfiguration={"sessionEnabled": True}
    )
    if kind == "job run":
        ids = lab.ids(await lab.submit(application_id))
        await lab.ended(ids["jobRunId"])
        asked = lab.service.get_dashboard_for_job_run(**ids)
    else:
        sessions = Sessions(lab)
        ids = await sessions.start(application_id)
        await sessions.in_state(ids, "IDLE", "STARTED")
        asked = lab.service.get_resource_dashboard(
            applicationId=application_id, resourceId=ids["sessionId"], resourceType="SESSION"
        )

    with pytest.raises(ApiError, match="managed storage is off, and with it the application UIs"):
        await asked


@pytest.mark.parametrize(
    ("entry_point", "parameters", "named"),
    [
        ("{file}", "", "entryPoint {file}"),
        ("file://{file}", "", "entryPoint file://{file}"),
        ("local://{file}", "", "entryPoint local://{file}"),
        ("s3://b/j.py", "--py-files s3://b/a.zip,{file}", "spark.submit.pyFiles {file}"),
        ("s3://b/j.py", "--jars={file}", "spark.jars {file}"),
        ("s3://b/j.py", "--conf spark.jars={file}", "spark.jars {file}"),
        ("s3://b/j.py", "--archives {file}#environment", "spark.archives {file}#environment"),
        ("s3://b/j.py", "--files s3://b/x --conf spark.a={file}", None),
        ("local:///usr/lib/spark/examples/src/main/python/pi.py", "--jars /usr/share/aws/x.jar", None),
    ],
)
@pytest.mark.parametrize("lenient", [False, True])
async def test_a_job_fails_that_names_a_file_of_this_machine(
    lab: Lab, tmp_path: Path, entry_point: str, parameters: str, named: str | None, lenient: bool
) -> None:
    lab.config.update({"lenient": lenient})
    (file := tmp_path / "job.py").touch()
    spark = {"entryPoint": entry_point.format(file=file), "sparkSubmitParameters": parameters.format(file=file)}
    run = await lab.ended(await lab.submit(await lab.application(), jobDriver={"sparkSubmit": spark}))

    if named is None or lenient:
        assert run["state"] == "SUCCESS"
    else:
        assert run["state"] == "FAILED"
        assert run["stateDetails"].startswith(f"{named.format(file=file)}: is on the disk of this machine")


async def test_a_file_that_the_configuration_names_counts_too(lab: Lab, tmp_path: Path) -> None:
    (file := tmp_path / "a.jar").touch()
    run = await lab.ended(await lab.submit(await lab.application(**defaults("spark.jars", str(file)))))
    assert run["stateDetails"].startswith(f"spark.jars {file}: is on the disk of this machine")


async def test_an_image_of_ones_own_may_have_any_file(lab: Lab, tmp_path: Path) -> None:
    (file := tmp_path / "job.py").touch()
    application_id = await lab.application(imageConfiguration={"imageUri": IMAGE})
    run_id = await lab.submit(application_id, jobDriver={"sparkSubmit": {"entryPoint": f"local://{file}"}})
    assert (await lab.ended(run_id))["state"] == "SUCCESS"


async def test_a_lenient_endpoint_takes_further_tags(lab: Lab) -> None:
    lab.config.update({"lenient": True})
    application_id = await lab.application(tags={f"k{number}": "v" for number in range(51)})
    arn = (await lab.get_application(application_id))["arn"]
    await lab.service.tag_resource(resourceArn=arn, tags={"more": "v"})
    assert len((await lab.get_application(application_id))["tags"]) == 52
