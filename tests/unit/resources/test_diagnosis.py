"""Each known failure, in the words of the service, of Spark or of a library that uses it."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest

from airflow_emrs_ext.resources.diagnosis import Diagnosis, diagnose
from airflow_emrs_ext.resources.known_failures import JOB_RUN_FAILURES

SERVERLESS = "emr-serverless"

COMPLETE_LOGS = (
    "Job failed, please check complete logs in configured logging destination. ExitCode: 1. Last few exceptions: "
)

# What was said, and a word of the advice that is given.
SAID = [
    (
        "Job failed as account has reached the service limit on the maximum vCPU it can use concurrently.",
        "`Max concurrent vCPUs per account`",
    ),
    ("Job failed as application has exceeded maximumCapacity settings.", "`maximum_capacity`"),
    (
        "Job failed due to Worker could not be allocated as the application has exceeded maximumCapacity.",
        "`maximum_capacity`",
    ),
    (
        "Could not assume execution role arn:aws:iam::123456789012:role/job because it does not exist or is not set up "
        "with the required trust relationship.",
        "trust policy",
    ),
    (
        "S3 access is denied. Please check S3 access permissions of the job runtime role on the required S3 resources.",
        "`s3:GetObject`",
    ),
    (
        COMPLETE_LOGS + "java.nio.file.AccessDeniedException: s3://bucket/in/part-0: getFileStatus: "
        "software.amazon.awssdk.services.s3.model.S3Exception: Access Denied (Service: S3, Status Code: 403)",
        "`s3:GetObject`",
    ),
    (
        "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the PutObject operation: User: "
        "arn:aws:sts::123456789012:assumed-role/job/x is not authorized to perform: s3:PutObject on resource: "
        '"arn:aws:s3:::bucket/out" because no identity-based policy allows the s3:PutObject action',
        "`s3:GetObject`",
    ),
    (
        "software.amazon.awssdk.services.s3.model.S3Exception: User: arn:aws:sts::123456789012:assumed-role/job/x is "
        "not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:123456789012:key/1 because no "
        "identity-based policy allows the kms:Decrypt action (Service: S3, Status Code: 403)",
        "`kms:Decrypt`",
    ),
    ("com.amazonaws.services.kms.model.AWSKMSException: The KMS key is disabled", "`kms:Decrypt`"),
    (
        "ModuleNotFoundError: No module named 'pandas'. Please refer to the user guide on how to use python libraries "
        "with EMR Serverless.",
        "--py-files",
    ),
    (
        COMPLETE_LOGS + "Caused by: java.io.IOException: error=2, No such file or directory Exception in thread "
        '"main" java.io.IOException: Cannot run program "./environment/bin/python": error=2, No such file or directory',
        "PYSPARK_PYTHON",
    ),
    (
        "PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different version (3, 9) than that in "
        "driver (3, 11)",
        "same environment",
    ),
    ("AnalysisException: [PATH_NOT_FOUND] Path does not exist: s3://bucket/in.", "task upstream"),
    ("org.apache.hadoop.mapred.InvalidInputException: Input path does not exist: s3://bucket/in", "task upstream"),
    (
        "com.amazonaws.services.s3.model.AmazonS3Exception: The specified key does not exist. (Service: Amazon S3; "
        "Status Code: 404; Error Code: NoSuchKey)",
        "task upstream",
    ),
    ("An error occurred (NoSuchBucket) when calling GetObject: The specified bucket does not exist", "of the bucket"),
    (
        "Image 123456789012.dkr.ecr.us-east-1.amazonaws.com/spark:1 could not be pulled: not found",
        "`image_configuration`",
    ),
    ("exec /usr/bin/entrypoint.sh: exec format error", "`image_configuration`"),
    (
        "AccessDeniedException: User is not authorized to perform: glue:GetTable on resource: arn:aws:glue:::table/t",
        "glue:GetTable",
    ),
    (
        "Insufficient Lake Formation permission(s): Required Select on sales (Service: AWSLakeFormation)",
        "SELECT and DESCRIBE",
    ),
    ("releaseLabel emr-9.9.9 is not supported", "`release_label`"),
    ("Job run timed out in the queue: it was QUEUED for more than 360 minutes.", "`queueTimeoutMinutes`"),
    (
        "CANCELLED Job run timed out: it ran for more than 5 minutes (executionTimeoutMinutes).",
        "`execution_timeout_minutes`",
    ),
    ("java.lang.OutOfMemoryError: Java heap space", "spark.driver.memory"),
    ("Job failed, please check complete logs in configured logging destination. ExitCode: 137.", "spark.driver.memory"),
    ("Container from a bad node: container_1 on host: x. Exit status: 137.", "spark.driver.memory"),
    ("MemoryError: Unable to allocate 7.45 GiB for an array", "spark.driver.memory"),
    (
        "Job aborted due to stage failure: ResultStage 3 has failed the maximum allowable number of times: 4. Most "
        "recent failure reason: ExecutorLostFailure (executor 7 exited caused by one of the running tasks)",
        "Executors tab",
    ),
    ("ExecutorLostFailure: Command exited with code 143", "Executors tab"),
    (
        "org.apache.spark.SparkException: Total size of serialized results of 9 tasks (1026.0 MiB) is bigger than "
        "spark.driver.maxResultSize (1024.0 MiB)",
        "spark.driver.maxResultSize",
    ),
    ("java.io.IOException: No space left on device", "executor.disk"),
    ("java.lang.ClassNotFoundException: org.apache.iceberg.spark.SparkCatalog", "spark_conf.iceberg()"),
    ("SparkException: Cannot find catalog plugin class for catalog 'lake': x.y.Catalog.", "spark_conf.iceberg()"),
    (
        "SparkClassNotFoundException: [DATA_SOURCE_NOT_FOUND] Failed to find the data source: delta.",
        "spark_conf.delta()",
    ),
    ("java.lang.ClassNotFoundException: com.example.Reader", "--jars"),
    (
        "pyspark.errors.exceptions.connect.SparkNoSuchElementException: [SQL_CONF_NOT_FOUND] The SQL config "
        '"spark.sql.session.localRelationChunkSizeRows" cannot be found. Please verify that the config exists.',
        "pyspark 3.5 for emr-7.x",
    ),
    (
        'NumberFormatException: [CAST_INVALID_INPUT] The value \'a\' of the type "STRING" cannot be cast to "INT"',
        "spark.sql.ansi.enabled=false",
    ),
    ("ArithmeticException: [DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate", "`try_divide`"),
    (
        "RuntimeException: Unable to instantiate org.apache.hadoop.hive.ql.metadata.SessionHiveMetaStoreClient",
        "jdbc_metastore",
    ),
    ("java.sql.SQLException: No suitable driver found for jdbc:mariadb://host:3306/hive", "--jars"),
    (
        "User: arn:aws:sts::123456789012:assumed-role/job/x is not authorized to perform: "
        "secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:us-east-1:123456789012:secret:db-123abc",
        "`secretsmanager:GetSecretValue`",
    ),
    ("Error: Failed to load class com.example.Main.", "--jars"),
    ("Insufficient free IP addresses in subnet subnet-1", "`network_configuration`"),
    (
        "software.amazon.awssdk.core.exception.SdkClientException: Unable to execute HTTP request: Connect to "
        "glue.us-east-1.amazonaws.com:443 failed: connect timed out",
        "VPC endpoints",
    ),
    ("java.net.UnknownHostException: database.internal", "VPC endpoints"),
    ("S3Exception: Please reduce your request rate. (Service: S3, Status Code: 503)", "more prefixes"),
    ("AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `sales` cannot be found.", "Glue Data Catalog"),
    (
        "AnalysisException: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `amont` cannot be resolved.",
        "schema",
    ),
    (
        "SparkConnectGrpcException: (org.apache.spark.SparkSQLException) [INVALID_HANDLE.SESSION_CLOSED] The handle "
        "d5f1 is invalid. Session was closed. SQLSTATE: HY000",
        "defaultSessionTimeout",
    ),
    ("org.apache.iceberg.exceptions.CommitFailedException: Commit failed: Requirement failed", "one task write"),
    ("The driver exited with status 3; its last line of output: nothing to do", "leaves the script"),
    ("CANCELLED Job run cancelled by request (CancelJobRun).", "CloudTrail"),
]

SAID_ON_EKS = [
    ("StsException: Not authorized to perform sts:AssumeRoleWithWebIdentity", "update-role-trust-policy"),
    ("Driver pod failed: Back-off pulling image: ImagePullBackOff", "spark.kubernetes.container.image"),
    ("0/3 nodes are available: 3 Insufficient memory.", "larger nodes"),
    ("CLUSTER_UNAVAILABLE: EKS cluster is not reachable.", "access entry"),
    ("ModuleNotFoundError: No module named 'pandas'", "spark.kubernetes.driverEnv.PYSPARK_PYTHON"),
    ("[PYTHON_VERSION_MISMATCH] Python in worker has different version", "spark.kubernetes.driverEnv.PYSPARK_PYTHON"),
    ("java.io.IOException: No space left on device", "spark.local.dir"),
    ("java.net.UnknownHostException: database.internal", "network policies"),
    ("java.lang.OutOfMemoryError: Java heap space", "spark.executor.memory"),
    ("CANCELLED Job run cancelled by request (CancelJobRun).", "CloudTrail"),
]
EVERYTHING_SAID = [
    *(("emr-serverless", *one) for one in SAID),
    *(("emr-containers", *one) for one in SAID_ON_EKS),
]


@pytest.mark.parametrize(("service", "said", "advised"), EVERYTHING_SAID, ids=lambda text: text[:40])
def test_a_known_failure_says_why_and_what_to_do(service: str, said: str, advised: str) -> None:
    state, _, details = said.partition(" ") if said.startswith("CANCELLED") else ("FAILED", "", said)
    diagnosis = diagnose(state, details, service=service)
    assert advised in diagnosis.advice
    assert diagnosis.why
    assert service == "emr-serverless" or "erverless" not in diagnosis.why + diagnosis.advice


def test_each_entry_has_an_example_of_its_own() -> None:
    shown = {diagnose("FAILED", said, service=service).why for service, said, _ in EVERYTHING_SAID}
    shown |= {diagnose("CANCELLED", "", service=SERVERLESS).why}
    assert [remedy.why for remedy in JOB_RUN_FAILURES if remedy.why not in shown] == []


@pytest.mark.parametrize("said", ["ValueError: boom", "Job failed.", "ZeroDivisionError: division by zero", ""])
def test_what_is_the_jobs_own_is_left_to_its_own_words(said: str) -> None:
    assert diagnose("FAILED", said, service=SERVERLESS) == Diagnosis()


def test_the_exception_counts_more_than_the_services_words_and_those_more_than_the_log() -> None:
    details, log = "Job failed as application has exceeded maximumCapacity settings.", "java.lang.OutOfMemoryError"
    assert (
        "--py-files" in diagnose("FAILED", details, exception="No module named 'x'", log=log, service=SERVERLESS).advice
    )
    assert (
        "`maximum_capacity`"
        in diagnose("FAILED", details, exception="ValueError: 1", log=log, service=SERVERLESS).advice
    )
    assert "memory" in diagnose("FAILED", "Job failed.", log=log, service=SERVERLESS).advice


@pytest.mark.parametrize(
    ("details", "exception", "place", "sentence"),
    [
        ("ValueError: boom", "ValueError: boom", "job.py, line 5", "ValueError: boom (job.py, line 5)."),
        (
            COMPLETE_LOGS + "ValueError: boom...",
            "ValueError: boom",
            "job.py, line 5",
            COMPLETE_LOGS + "ValueError: boom (job.py, line 5).",
        ),
        (
            "Job failed.\nSee the logs.",
            "ValueError: boom",
            "job.py, line 5",
            "Job failed. See the logs. The driver said: ValueError: boom (job.py, line 5).",
        ),
        ("", "", "", "the service gave no details."),
    ],
)
def test_what_failed_is_one_sentence_that_says_nothing_twice(
    details: str, exception: str, place: str, sentence: str
) -> None:
    assert (
        diagnose("FAILED", details, exception=exception, place=place, service=SERVERLESS).sentences(details) == sentence
    )


def test_what_the_service_has_cut_is_not_said_twice() -> None:
    exception = "AnalysisException: " + "long " * 60 + "end"
    said = diagnose(
        "FAILED", f"{exception[:255]}…", exception=exception, place="job.py, line 1", service=SERVERLESS
    ).sentences(f"{exception[:255]}…")
    assert "The driver said" not in said
    assert "(job.py, line 1)" in said


def test_it_is_plain_json() -> None:
    diagnosis = diagnose("FAILED", "x", exception="ValueError: 1", service=SERVERLESS)
    assert Diagnosis(**diagnosis.as_facts()) == diagnosis
    assert asdict(diagnosis) == {"exception": "ValueError: 1", "place": "", "why": "", "advice": ""}


def test_every_pattern_is_one() -> None:
    assert all(re.compile(remedy.pattern) and remedy.why and remedy.advice for remedy in JOB_RUN_FAILURES)
