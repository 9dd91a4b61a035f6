"""What to do about a request that the service, or botocore's own validation, refuses.

:data:`REMEDIES` and :data:`EKS_REMEDIES` are the one table of each service. Each remedy names the operator's parameter;
``docs/errors.md`` shows them.
"""

from __future__ import annotations

from airflow_emrs_ext.resources.remedy import Remedy

REMEDIES: tuple[Remedy, ...] = (
    Remedy(
        r"(?i)executionRoleArn|execution role",
        "Check `execution_role_arn`: it takes the ARN of an IAM role that emr-serverless.amazonaws.com may assume, "
        "arn:aws:iam::<account>:role/<name>.",
    ),
    Remedy(
        r"(?i)TagResource",
        "Allow `emr-serverless:TagResource`, or set [emrs_ext] default_tags to False and give no `tags`.",
    ),
    Remedy(
        r"(?i)sessions?\b.*\b(emr-7\.13\.0|release)|release.*\bsessions?\b",
        "Sessions need release emr-7.13.0 or newer: give the application another `release_label`.",
    ),
    Remedy(
        r"(?i)sessionEnabled|interactiveConfiguration|sessions? (is|are) not enabled",
        "Give the application `interactive_configuration={'sessionEnabled': True}` "
        "(EmrServerlessUpdateApplicationOperator, while it is stopped).",
    ),
    Remedy(r"(?i)sessions? (need a|are for) spark", "Sessions need an application of type `SPARK`."),
    Remedy(
        r"(?i)idleTimeoutMinutes",
        "Check `idle_timeout_minutes`: whole minutes.",
    ),
    Remedy(
        r"(?i)\bsessions?\b.*\b(limit|quota|maximum|most)\b|\b(limit|quota|maximum|most)\b.*\bsessions?\b",
        "Terminate sessions that nobody uses (EmrServerlessSweepOperator finds those of finished DAG runs), share one "
        "between tasks (`emr_serverless_session`), or raise the quota in the Service Quotas console.",
    ),
    Remedy(
        r"(?i)executionIamPolicy|policyArns",
        "Check `execution_iam_policy`: {'policy': <IAM policy as a JSON string>, "
        "'policyArns': [<ARN of a policy>, …]}.",
    ),
    Remedy(
        r"(?i)retryPolicy|maxAttempts|maxFailedAttemptsPerHour",
        "Check `retry_policy` against `mode`: BATCH takes {'maxAttempts': 1..10}, STREAMING takes "
        "{'maxFailedAttemptsPerHour': 1..10}; both need release emr-7.1.0 or newer.",
    ),
    Remedy(
        r"(?i)executionTimeoutMinutes",
        "Check `execution_timeout_minutes`: at most 10080 minutes from emr-7.11.0 on, before it 0 for none; "
        "streaming job runs take no timeout.",
    ),
    Remedy(
        r"(?i)sparkSubmitParameters",
        "Check `sparkSubmitParameters` of `job_driver`: options as on a spark-submit command line, "
        "quoted as for a shell.",
    ),
    Remedy(
        r"(?i)jobDriver|entryPoint",
        "Check `job_driver`: exactly one of {'sparkSubmit': {'entryPoint': …}} and {'hive': {'query': …}}, matching "
        "the application's type; job_spec.spark_submit and job_spec.hive build it.",
    ),
    Remedy(r"(?i)releaseLabel|release label", "Check `release_label`: a release such as emr-7.9.0."),
    Remedy(
        r"(?i)maximumCapacity|initialCapacity",
        "Check `maximum_capacity` and `initial_capacity`: cpu such as '4 vCPU', memory such as '16 GB', in the "
        "service's worker sizes.",
    ),
    Remedy(
        r"(?i)schedulerConfiguration|maxConcurrentRuns|queueTimeoutMinutes",
        "Check `scheduler_configuration`: {'maxConcurrentRuns': 1..1000, 'queueTimeoutMinutes': 15..720}.",
    ),
    Remedy(
        r"(?i)auto.?start",
        "Start the application first (EmrServerlessStartApplicationOperator), or enable `auto_start_configuration`.",
    ),
    Remedy(
        r"(?i)clientToken|client token|idempoten",
        "The client token (`client_request_token`) was used before with other parameters: give a new one, or leave it "
        "out, so that the task has its own.",
    ),
    Remedy(
        r"(?i)active (job ?runs?|sessions?)|running job|jobs? (is|are) (still )?running",
        "End its job runs and sessions first, or set `force_stop=True` to end them.",
    ),
)

EKS_REMEDIES: tuple[Remedy, ...] = (
    REMEDIES[0],
    Remedy(
        r"(?i)executionRoleArn|execution role",
        "Check `execution_role_arn`: it takes the ARN of an IAM role that the service account of the namespace may "
        "assume (`aws emr-containers update-role-trust-policy`), arn:aws:iam::<account>:role/<name>.",
    ),
    Remedy(
        r"(?i)TagResource",
        "Allow `emr-containers:TagResource`, or set [emrs_ext] default_tags to False and give no `tags`.",
    ),
    Remedy(
        r"(?i)clientToken|client token|idempoten",
        "The client token (`client_request_token`) was used before with other parameters: give a new one, or leave it "
        "out, so that the task has its own.",
    ),
    Remedy(
        r"(?i)retryPolicy|maxAttempts",
        "Check `retry_policy_configuration`: {'maxAttempts': <a number>}; it needs release emr-6.9.0 or newer.",
    ),
    Remedy(
        r"(?i)jobTemplate\w*|template parameter|job template",
        "Check `job_template_id` and `job_template_parameters`: a value for each parameter of the template that has no "
        "default, and none for others.",
    ),
    Remedy(
        r"(?i)rotationSize|maxFilesToKeep|containerLogRotation",
        "Check the log rotation of `configuration_overrides`: a size of 2KB to 2GB and 1 to 50 files; "
        "job_spec.eks_configuration_overrides builds it.",
    ),
    Remedy(
        r"(?i)monitoringConfiguration|logUri|logGroupName",
        "Check `configuration_overrides`: job_spec.eks_configuration_overrides builds it.",
    ),
    Remedy(
        r"(?i)sparkSubmitParameters|sparkSqlParameters",
        "Check the parameters in `job_driver`: options as on a spark-submit or spark-sql command line, quoted as for a "
        "shell.",
    ),
    Remedy(
        r"(?i)jobDriver|entryPoint",
        "Check `job_driver`: exactly one of {'sparkSubmitJobDriver': {'entryPoint': …}} and {'sparkSqlJobDriver': "
        "{'entryPoint': …}}; job_spec.eks_spark_submit and job_spec.eks_spark_sql build it.",
    ),
    Remedy(
        r"(?i)releaseLabel|release label|\brelease\b",
        "Check `release_label`: a release such as emr-7.9.0-latest; Spark Connect needs emr-7.14.0 or newer.",
    ),
    Remedy(
        r"(?i)namespace",
        "A namespace of an EKS cluster belongs to one virtual cluster: set `reuse_existing=True` to take that one, or "
        "give another `eks_namespace`.",
    ),
    Remedy(
        r"(?i)maxInQueueJobRuns|queue",
        "Run less at once (pools in Airflow), or raise `maxInQueueJobRuns` in the virtual cluster's "
        "schedulerConfiguration.",
    ),
    Remedy(
        r"(?i)active (job ?runs?|endpoints?)|running job",
        "End its job runs and managed endpoints first, or set `force_delete=True` to end them.",
    ),
    Remedy(
        r"(?i)\bname\b",
        "Check `name`: 1 to 64 letters, digits and . - _ / #.",
    ),
)
"""As :data:`REMEDIES`, for EMR on EKS."""

EC2_REMEDIES: tuple[Remedy, ...] = (
    Remedy(
        r"(?i)session ?enabled|sessions? (are |is )?not enabled",
        "Create the cluster with `SessionEnabled`, which takes a release emr-spark-8.0.0 or newer: a cluster that runs "
        "cannot be told so.",
    ),
    Remedy(
        r"(?i)executionRoleArn|execution role|runtime role",
        "Check `execution_role_arn`: it takes the ARN of an IAM role that the cluster's instance profile may assume, "
        "arn:aws:iam::<account>:role/<name>.",
    ),
    Remedy(
        r"(?i)AddTags",
        "Allow `elasticmapreduce:AddTags`, or set [emrs_ext] default_tags to False and give no `tags`.",
    ),
    Remedy(
        r"(?i)active steps",
        "A cluster has at most 256 steps that are pending or running: add less at once (pools in Airflow), or use "
        "another cluster.",
    ),
    Remedy(
        r"(?i)HadoopJarStep|\bjar\b|10,?240",
        "Check `hadoop_jar_step`, or `job_driver`: it takes a `Jar`, and all of its texts together have 10,240 "
        "characters at most.",
    ),
    Remedy(
        r"(?i)\bstep id\b",
        "Check `step_id` (s-…), and that it is one of the cluster of `cluster_id`.",
    ),
    Remedy(
        r"(?i)\b(cluster|job flow) id\b.*\b(not valid|not exist)\b|\bcluster \S+ does not exist",
        "Check `cluster_id` (j-…), and that `aws_conn_id` and `region_name` lead to its account and Region.",
    ),
    Remedy(
        r"(?i)\b(cluster|job flow)\b.*\b(RUNNING|WAITING|TERMINAT\w+|STARTING|BOOTSTRAPPING|FINISHED)\b",
        "Wait until the cluster is RUNNING or WAITING, or create another one if it has ended; then run the task again.",
    ),
    Remedy(
        r"(?i)release",
        "Check the release of the cluster: sessions take emr-spark-8.0.0 or newer.",
    ),
)
"""As :data:`REMEDIES`, for EMR on EC2."""

LOG_ADVICE: dict[tuple[str, str], str] = {
    ("get_object", "AccessDenied"): "Allow `s3:GetObject` on the objects under the log URI, `s3:ListBucket` on the "
    "bucket, and `kms:Decrypt` if they are encrypted, to the principal of `aws_conn_id`.",
    ("get_object", "NoSuchBucket"): "Create the bucket of the log URI, or correct its name in "
    "`configuration_overrides` or the application's `monitoring_configuration`.",
    **dict.fromkeys(
        [("list_objects_v2", "NoSuchBucket"), ("put_object", "NoSuchBucket")],
        "Create the bucket, or correct its name in `artifacts` or in the log URI.",
    ),
    ("get_log_events", "AccessDeniedException"): "Allow `logs:GetLogEvents` on the log group to the principal of "
    "`aws_conn_id`.",
}
"""What to do about the refusal of a call that reads a driver's log or puts a file on S3, by operation and code."""
