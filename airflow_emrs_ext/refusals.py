"""From a botocore error to the package's own: what passes by itself, what does not, and what the user should do.

:data:`REMEDIES` is the one table of remedies for requests that the service (or botocore's own validation) refuses.
Each names the operator's parameter; ``docs/errors.md`` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    ParamValidationError,
    SSLError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from airflow_emrs_ext.diagnosis import Remedy, remedy_for
from airflow_emrs_ext.exceptions import (
    ConfigurationError,
    EmrError,
    QuotaExceeded,
    RequestConflict,
    RequestRejected,
    ResourceNotFound,
)

_THROTTLING = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "EKSRequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "PriorRequestNotComplete",
    }
)

_PASSING = (
    BotoConnectionError,
    HTTPClientError,
    IncompleteReadError,
    CredentialRetrievalError,
    MetadataRetrievalError,
)

_ERROR_CLASSES: dict[str, type[EmrError]] = {
    "ResourceNotFoundException": ResourceNotFound,
    "ServiceQuotaExceededException": QuotaExceeded,
    "ConflictException": RequestConflict,
}


REMEDIES: tuple[Remedy, ...] = (
    Remedy(
        r"(?i)unknown parameter in (input|interactiveConfiguration)",
        "The installed botocore does not know this parameter: upgrade boto3, or leave the parameter out.",
    ),
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
        r"(?i)sessionEnabled|interactiveConfiguration|sessions? (is|are) not enabled",
        "Give the application `interactive_configuration={'sessionEnabled': True}` "
        "(EmrServerlessUpdateApplicationOperator, while it is stopped).",
    ),
    Remedy(
        r"(?i)sessions?\b.*\b(emr-7\.13\.0|release)|release.*\bsessions?\b",
        "Sessions need release emr-7.13.0 or newer: give the application another `release_label`.",
    ),
    Remedy(r"(?i)sessions? need a spark", "Sessions need an application of type `SPARK`."),
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
        "Check `execution_timeout_minutes`: minutes, 0 for none; streaming job runs take no timeout.",
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

# Used when no remedy of the table fits: the advice of the error's code.
_BY_CODE: dict[str, str] = {
    "ResourceNotFoundException": "Check the ids (`application_id`, `job_run_id`, `session_id`), and that "
    "`aws_conn_id` and `region_name` lead to the account and Region that own them.",
    "ServiceQuotaExceededException": "Raise the quota in the Service Quotas console, or run less at once.",
    "AccessDeniedException": "The principal of `aws_conn_id` lacks the permission for this action (and iam:PassRole "
    "for the execution role when submitting).",
    "ExpiredTokenException": "The credentials of `aws_conn_id` have expired: renew them.",
    "ConflictException": "Wait until the resource has settled, then run the task again.",
}


LOG_ADVICE: dict[tuple[str, str], str] = {
    ("get_object", "AccessDenied"): "Allow `s3:GetObject` on the objects under the log URI, `s3:ListBucket` on the "
    "bucket, and `kms:Decrypt` if they are encrypted, to the principal of `aws_conn_id`.",
    ("get_object", "NoSuchBucket"): "Create the bucket of the log URI, or correct its name in "
    "`configuration_overrides` or the application's `monitoring_configuration`.",
    ("get_log_events", "AccessDeniedException"): "Allow `logs:GetLogEvents` on the log group to the principal of "
    "`aws_conn_id`.",
}
"""What to do about the refusal of a call that reads a driver's log, by operation and code."""


def is_passing(error: ClientError | BotoCoreError) -> bool:
    """Whether the same call may well succeed later: throttling, a server error, a network failure."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error.response.get("Error", {}).get("Code") in _THROTTLING or status == 429 or status >= 500
    if isinstance(error, SSLError) or isinstance(error.kwargs.get("error"), (FileNotFoundError, PermissionError)):
        return False  # a certificate that is not trusted, or a CA bundle that cannot be read
    return isinstance(error, _PASSING)


def refusal(operation: str, parameters: Mapping[str, Any], error: ClientError | BotoCoreError) -> EmrError:
    """The error to raise for a refused call, with ids, code and remedy."""
    facts = {
        "operation": operation,
        "application_id": parameters.get("applicationId"),
        "job_run_id": parameters.get("jobRunId"),
        "session_id": parameters.get("sessionId"),
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
        said = error.response["Error"].get("Message", "")
        error_class = _ERROR_CLASSES.get(code, RequestRejected)
    elif isinstance(error, ParamValidationError):
        code, said, error_class = "ParamValidationError", str(error).replace("\n", " "), RequestRejected
    else:
        code, said, error_class = type(error).__name__, str(error), ConfigurationError
    facts["code"] = code
    sentence = f"{operation} was refused: {code}: {said.rstrip('. ')}. {_remedy(operation, code, said, error_class)}"
    return error_class(sentence.rstrip(), facts)


def _remedy(operation: str, code: str, said: str, error_class: type[EmrError]) -> str:
    if advice := LOG_ADVICE.get((operation, code)):
        return advice
    if remedy := remedy_for(said, REMEDIES):
        return remedy.advice
    if error_class is ConfigurationError:
        return "Check `aws_conn_id`, `region_name`, `verify` and the credentials that they lead to."
    return _BY_CODE.get(code, "")
