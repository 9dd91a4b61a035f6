"""The one place that decides what the error of a call means, and what the user should do about it.

Nothing that an error says ends what runs. :func:`meaning_of` tells for how long a call is repeated; then the task
fails, and what runs is left to its next try.

:data:`REMEDIES` is the one table of remedies for requests that the service (or botocore's own validation) refuses.
Each names the operator's parameter; ``docs/errors.md`` shows them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    SSLError,
    UnknownRegionError,
    UnknownServiceError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from airflow_emrs_ext._compat import AirflowException
from airflow_emrs_ext.diagnosis import Remedy, remedy_for
from airflow_emrs_ext.exceptions import (
    AccessDenied,
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


class Meaning(Enum):
    """What the error of a call says of the same call, made again."""

    TRANSIENT = auto()
    """It may well succeed: throttling, a server error, a network failure, an answer that cannot be read."""
    ACCESS = auto()
    """It may succeed once somebody has seen to it: permissions, credentials, a proxy, a redirect, an unknown error."""
    REFUSED = auto()
    """It would be refused again: the service, or botocore before it, says what is wrong with the request."""


class UnreadableAnswer(Exception):
    """An answer that came, and is none that the operation has; whether the call had its effect is not known."""


# What EMR Serverless and EMR on EKS say of a request by errors of their models.
_REFUSALS = frozenset(
    {
        "ValidationException",
        "ResourceNotFoundException",
        "ConflictException",
        "ServiceQuotaExceededException",
    }
)

# What any service says of credentials.
_CREDENTIALS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

# What botocore says of a request or a configuration before it sends anything.
_CONFIGURATION = (
    ParamValidationError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    UnknownRegionError,
    UnknownServiceError,
)

_NETWORK = (BotoConnectionError, HTTPClientError, IncompleteReadError)

# A request that never reached the service.
_NOT_SENT = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)

# The ids in the parameters of a call, as facts call them.
_ID: Mapping[str, str] = {
    "applicationId": "application_id",
    "virtualClusterId": "virtual_cluster_id",
    "jobRunId": "job_run_id",
    "sessionId": "session_id",
}

_OWN_ID: Mapping[str, str] = {
    "virtual_cluster": "virtual_cluster_id",
    "job_run": "job_run_id",
    "job_template": "job_template_id",
    "managed_endpoint": "endpoint_id",
}

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

_TABLES: Mapping[str, tuple[Remedy, ...]] = {"emr-containers": EKS_REMEDIES}

_IDS: Mapping[str, str] = {
    "emr-serverless": "`application_id`, `job_run_id`, `session_id`",
    "emr-containers": "`virtual_cluster_id`, `job_run_id`, `job_template_id`, `endpoint_id`",
}

# EMR on EKS has no error of its own for it, but one for validation.
_TOKEN_CONFLICT = re.compile(r"(?i)clientToken\b.*\b(used|other|different|already)\b")


# Used when no remedy of the table fits: the advice of the error's code.
_BY_CODE: dict[str, str] = {
    "ResourceNotFoundException": "Check the ids ({ids}), and that "
    "`aws_conn_id` and `region_name` lead to the account and Region that own them.",
    "ServiceQuotaExceededException": "Raise the quota in the Service Quotas console, or run less at once.",
    "AccessDeniedException": "The principal of `aws_conn_id` lacks the permission for this action (and iam:PassRole "
    "for the execution role when submitting).",
    "ExpiredTokenException": "The credentials of `aws_conn_id` have expired: renew them.",
    "ExpiredToken": "The credentials of `aws_conn_id` have expired: renew them.",
    "ConflictException": "Wait until the resource has settled, then run the task again.",
}


_OF_ACCESS = (
    "Check `aws_conn_id`, `region_name`, `verify`, the credentials that they lead to, and what stands between Airflow "
    "and AWS (proxies, VPC endpoints and their policies)."
)

_LONGEST_SAID = 1000

LOG_ADVICE: dict[tuple[str, str], str] = {
    ("get_object", "AccessDenied"): "Allow `s3:GetObject` on the objects under the log URI, `s3:ListBucket` on the "
    "bucket, and `kms:Decrypt` if they are encrypted, to the principal of `aws_conn_id`.",
    ("get_object", "NoSuchBucket"): "Create the bucket of the log URI, or correct its name in "
    "`configuration_overrides` or the application's `monitoring_configuration`.",
    ("get_log_events", "AccessDeniedException"): "Allow `logs:GetLogEvents` on the log group to the principal of "
    "`aws_conn_id`.",
}
"""What to do about the refusal of a call that reads a driver's log, by operation and code."""


def is_throttling(error: ClientError) -> bool:
    """Whether the service has had too many calls."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response.get("Error", {}).get("Code") in _THROTTLING or status == 429


def meaning_of(error: Exception, service: str = "emr-serverless") -> Meaning:
    """What the error of a call means.

    :param error: whatever making the call, or reading its answer, has raised
    :param service: botocore's name of the service
    """
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if is_throttling(error) or status >= 500:
            return Meaning.TRANSIENT
        # What other services say (that there is no such log, that it has not changed) whoever asks them understands.
        return Meaning.REFUSED if code in _REFUSALS or service not in _IDS else Meaning.ACCESS
    if isinstance(error, _CONFIGURATION) or _lacks_file(error):
        return Meaning.REFUSED
    if isinstance(error, _NETWORK) and not _distrusts(error):
        return Meaning.TRANSIENT
    # Airflow's own are about the connection; botocore's about credentials, certificates and what leads to them.
    return Meaning.ACCESS if isinstance(error, (BotoCoreError, AirflowException)) else Meaning.TRANSIENT


def is_passing(error: Exception) -> bool:
    """Whether the same call may well succeed later by itself."""
    return meaning_of(error) is Meaning.TRANSIENT


def is_about_access(error: Exception, service: str = "emr-serverless") -> bool:
    """Whether other credentials, of a connection that is read anew, may be better."""
    code = code_of(error)
    return code in _CREDENTIALS or (service in _IDS and meaning_of(error, service) is Meaning.ACCESS)


def may_have_had_effect(error: Exception) -> bool:
    """Whether the service may have done what a call asked for although the call has failed."""
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500 and not is_throttling(error)
    return meaning_of(error) is Meaning.TRANSIENT and not isinstance(error, _NOT_SENT)


def code_of(error: Exception) -> str:
    """The service's code of an error, else its class."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__


def _distrusts(error: BotoCoreError) -> bool:
    """Whether the certificate of whoever answers is not trusted; any other error of TLS is one of the network."""
    return isinstance(error, SSLError) and "certificate" in str(error).lower()


def _lacks_file(error: Exception) -> bool:
    """Whether a CA bundle cannot be read."""
    cause = error.kwargs.get("error") if isinstance(error, BotoCoreError) else None
    return isinstance(cause, (FileNotFoundError, PermissionError))


def ids_in(operation: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """The ids in the parameters of a call, by the names that facts have for them."""
    ids = {_ID[name]: parameters[name] for name in _ID if name in parameters}
    if "id" in parameters:
        # EMR on EKS: the own id of what the operation is about.
        ids[_OWN_ID.get(operation.partition("_")[2], "id")] = parameters["id"]
    return ids


def refusal(
    operation: str, parameters: Mapping[str, Any], error: Exception, service: str = "emr-serverless"
) -> EmrError:
    """The error to raise for a call that is not repeated (any more), with ids, code and remedy.

    :param error: what was said last; Airflow tries again unless it is the service's own word on the request
    """
    code, said = code_of(error), str(error).replace("\n", " ")
    error_class: type[EmrError] = AccessDenied
    if isinstance(error, ClientError):
        said = error.response["Error"].get("Message", "")
        if meaning_of(error, service) is Meaning.REFUSED:
            error_class = _ERROR_CLASSES.get(code, RequestRejected)
        if service == "emr-containers" and _TOKEN_CONFLICT.search(said):
            error_class = RequestConflict
    elif isinstance(error, ParamValidationError):
        error_class = RequestRejected
    facts = {"operation": operation, **ids_in(operation, parameters), "code": code}
    sentence = (
        f"{operation} was refused: {code}: {_shortened(said).rstrip('. ')}. "
        f"{_remedy(service, operation, code, said, error_class)}"
    )
    return error_class(sentence.rstrip(), facts)


def _shortened(said: str) -> str:
    """What an error says; whole pages of proxies are not for a log."""
    return said if len(said) <= _LONGEST_SAID else f"{said[:_LONGEST_SAID]}… ({len(said)} characters)"


def _remedy(service: str, operation: str, code: str, said: str, error_class: type[EmrError]) -> str:
    if advice := LOG_ADVICE.get((operation, code)):
        return advice
    if remedy := remedy_for(said, _TABLES.get(service, REMEDIES)):
        return remedy.advice
    advice = _BY_CODE.get(code, "") or (_OF_ACCESS if error_class is AccessDenied else "")
    return advice.format(ids=_IDS[service] if service in _IDS else _IDS["emr-serverless"])
