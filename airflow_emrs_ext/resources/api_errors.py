"""The one place that decides what the error of a call means, and what the user should do about it.

Nothing that an error says ends what runs. :func:`meaning_of` tells for how long a call is repeated; then the task
fails, and what runs is left to its next try.
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
from airflow_emrs_ext.exceptions import (
    AccessDenied,
    EmrError,
    QuotaExceeded,
    RequestConflict,
    RequestRejected,
    ResourceNotFound,
)
from airflow_emrs_ext.resources.refused_requests import EC2_REMEDIES, EKS_REMEDIES, LOG_ADVICE, REMEDIES
from airflow_emrs_ext.resources.remedy import Remedy, remedy_for

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


# The one error of Amazon EMR for whatever is wrong with a request, also for what is not there.
_INVALID = "InvalidRequestException"


class UnreadableAnswer(Exception):
    """An answer that came, and is none that the operation has; whether the call had its effect is not known."""


# What the services say of a request by errors of their models.
_REFUSALS = frozenset(
    {
        "ValidationException",
        "ResourceNotFoundException",
        "ConflictException",
        "ServiceQuotaExceededException",
        _INVALID,
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
    "ClusterId": "cluster_id",
    "SessionId": "session_id",
    "JobFlowId": "cluster_id",
    "StepId": "step_id",
    # S3 says that there is no such bucket, not which.
    "Bucket": "bucket",
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


_TABLES: Mapping[str, tuple[Remedy, ...]] = {"emr-containers": EKS_REMEDIES, "emr": EC2_REMEDIES}

_IDS: Mapping[str, str] = {
    "emr-serverless": "`application_id`, `job_run_id`, `session_id`",
    "emr-containers": "`virtual_cluster_id`, `job_run_id`, `job_template_id`, `endpoint_id`",
    "emr": "`cluster_id`, `session_id`, `step_id`",
}

# These have no error of their own for it, but one for validation.
_WITHOUT_CONFLICTS = ("emr-containers", "emr")
_TOKEN_CONFLICT = re.compile(r"(?i)client(?:Request)?Token\b.*\b(used|other|different|already)\b")


# What says that something is not there, right behind its name or id.
_IS_NOT_THERE = r"(?:does not exist|doesn't exist|(?:was |is |could )?not (?:be )?found)"


# Used when no remedy of the table fits: the advice of the error's code.
_BY_CODE: dict[str, str] = {
    "ResourceNotFoundException": "Check the ids ({ids}), and that "
    "`aws_conn_id` and `region_name` lead to the account and Region that own them.",
    "ServiceQuotaExceededException": "Raise the quota in the Service Quotas console, or run less at once.",
    "AccessDeniedException": "The principal of `aws_conn_id` lacks the permission for this action: grant it (and "
    "iam:PassRole for the execution role when submitting).",
    "ExpiredTokenException": "The credentials of `aws_conn_id` have expired: renew them.",
    "ExpiredToken": "The credentials of `aws_conn_id` have expired: renew them.",
    "ConflictException": "Wait until the resource has settled, then run the task again.",
}


# In AWS's words; tags have a remedy of their own.
_NOT_AUTHORIZED = re.compile(
    r"not authorized to perform: (?P<action>[\w-]+:(?!TagResource)\w+)(?: on resource: (?P<on>\S+))?"
)

_OF_ACCESS = (
    "Check `aws_conn_id`, `region_name`, `verify`, the credentials that they lead to, and what stands between Airflow "
    "and AWS (proxies, VPC endpoints and their policies)."
)

_LONGEST_SAID = 1000


def is_throttling(error: ClientError) -> bool:
    """Whether the service has had too many calls."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response.get("Error", {}).get("Code") in _THROTTLING or status == 429


def meaning_of(error: Exception, service: str) -> Meaning:
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


def is_passing(error: Exception, service: str) -> bool:
    """Whether the same call may well succeed later by itself."""
    return meaning_of(error, service) is Meaning.TRANSIENT


def is_about_access(error: Exception, service: str) -> bool:
    """Whether other credentials, of a connection that is read anew, may be better."""
    code = code_of(error)
    return code in _CREDENTIALS or (service in _IDS and meaning_of(error, service) is Meaning.ACCESS)


def may_have_had_effect(error: Exception, service: str) -> bool:
    """Whether the service may have done what a call asked for although the call has failed."""
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500 and not is_throttling(error)
    return meaning_of(error, service) is Meaning.TRANSIENT and not _was_not_sent(error)


def is_without_effect(error: Exception, service: str) -> bool:
    """Whether the service has certainly not done what a call asked for that has failed.

    It has said so, by an error of its model about the request or by one about credentials; it has had too many calls;
    or the call was never sent.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return is_throttling(error) or (status < 500 and code_of(error) in _REFUSALS | _CREDENTIALS)
    return meaning_of(error, service) is not Meaning.TRANSIENT or _was_not_sent(error)


def _was_not_sent(error: Exception) -> bool:
    """Whether a request never reached the service; aiobotocore says the same of a connection that broke later."""
    if not isinstance(error, _NOT_SENT):
        return False
    causes = {one.__name__ for one in type(error.kwargs.get("error")).__mro__}
    return "ClientConnectionError" not in causes or "ClientConnectorError" in causes


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


def naming(ids: Mapping[str, str]) -> str:
    """Ids in brackets, to be put into a sentence; empty where there are none."""
    return f" ({', '.join(f'{name} {value}' for name, value in ids.items())})" if ids else ""


def refusal(operation: str, parameters: Mapping[str, Any], error: Exception, service: str) -> EmrError:
    """The error to raise for a call that is not repeated (any more), with ids, code and remedy.

    :param error: what was said last; Airflow tries again unless it is the service's own word on the request
    """
    code, said = code_of(error), str(error).replace("\n", " ")
    error_class: type[EmrError] = AccessDenied
    if isinstance(error, ClientError):
        said = error.response["Error"].get("Message", "")
        if meaning_of(error, service) is Meaning.REFUSED:
            error_class = _ERROR_CLASSES.get(code, RequestRejected)
        if service in _WITHOUT_CONFLICTS and _TOKEN_CONFLICT.search(said):
            error_class = RequestConflict
        elif code == _INVALID and _says_that_it_is_not_there(said, parameters):
            error_class = ResourceNotFound
    elif isinstance(error, ParamValidationError):
        error_class = RequestRejected
    ids = ids_in(operation, parameters)
    facts = {"operation": operation, **ids, "code": code}
    sentence = (
        f"{operation}{naming(ids) if 'bucket' in ids else ''} was refused: {code}: {_shortened(said).rstrip('. ')}. "
        f"{_remedy(service, operation, code, said, error_class)}"
    )
    return error_class(sentence.rstrip(), facts)


def _says_that_it_is_not_there(said: str, parameters: Mapping[str, Any]) -> bool:
    """Whether an error that may mean anything says of the very session of a request that it does not exist.

    Of a cluster the service says that its id is not valid, which another Region or account makes true, too.
    """
    if "SessionId" not in parameters:
        return False
    # The id next to the words, and no more said: what else of a request may not exist, or where else it does, is
    # not taken for it.
    begin, of_cluster, end = r"(?:^|[.;:]\s)(?:the )?", r"(?: (?:of|in|on) cluster \S+?)?", r"\s*(?:[.,;]|$)"
    own = rf"['\"]?{re.escape(parameters['SessionId'])}['\"]?"
    id_first = rf"{begin}session (?:with )?(?:id )?{own}{of_cluster} {_IS_NOT_THERE}{of_cluster}{end}"
    id_last = (
        rf"{begin}(?:(?:there is )?no session (?:with )?(?:id )?|session {_IS_NOT_THERE}: ?){own}{of_cluster}{end}"
    )
    return re.search(f"(?i){id_first}|{id_last}", said) is not None


def _shortened(said: str) -> str:
    """What an error says; whole pages of proxies are not for a log."""
    return said if len(said) <= _LONGEST_SAID else f"{said[:_LONGEST_SAID]}… ({len(said)} characters)"


def _remedy(service: str, operation: str, code: str, said: str, error_class: type[EmrError]) -> str:
    if advice := LOG_ADVICE.get((operation, code)):
        return advice
    if denied := _NOT_AUTHORIZED.search(said):
        on = f" on `{denied['on']}`" if denied["on"] else ""
        if "explicit deny" in said:
            return f"A policy denies `{denied['action']}`{on} to the principal of `aws_conn_id`: change that statement."
        return f"Allow `{denied['action']}`{on} to the principal of `aws_conn_id`."
    if remedy := remedy_for(said, _TABLES.get(service, REMEDIES)):
        return remedy.advice
    advice = _BY_CODE.get(code, "") or (_OF_ACCESS if error_class is AccessDenied else "")
    return advice.format(ids=_IDS[service] if service in _IDS else _IDS["emr-serverless"])
