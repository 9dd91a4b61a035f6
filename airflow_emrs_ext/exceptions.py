"""What can go wrong, as one hierarchy whose members carry facts.

Every error says what failed, why, and what to do, and carries what a handler needs as plain JSON in
:attr:`EmrError.facts`: ids, state, details, attempt, log locations, the API operation and its error code. An error
crosses from the triggerer to the worker as data (:meth:`EmrError.to_event`), so that blocking and deferrable mode raise
the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_emrs_ext._compat import AirflowException, AirflowFailException


class EmrError(AirflowException):
    """Base of every error of this package.

    :param message: the whole sentence that a person reads
    :param facts: plain JSON; keys as in the operators' results, plus ``operation`` and ``code`` of a refused call
    """

    _by_name: ClassVar[dict[str, type[EmrError]]] = {}
    message: str
    facts: dict[str, Any]
    args: tuple[Any, ...]

    def __init__(self, message: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.facts = dict(facts or {})

    def restate(self, message: str, facts: Mapping[str, Any]) -> None:
        """Say it better, once more is known."""
        self.message, self.args, self.facts = message, (message,), dict(facts)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        EmrError._by_name[cls.__name__] = cls

    def to_event(self) -> dict[str, Any]:
        """The error as plain JSON."""
        return {"type": type(self).__name__, "message": self.message, "facts": self.facts}

    @staticmethod
    def from_event(event: Mapping[str, Any]) -> EmrError:
        """The error that :meth:`to_event` wrote.

        :raises InvalidEvent: the event is none
        """
        facts = event.get("facts")
        if not isinstance(event.get("type"), str) or not isinstance(facts, (Mapping, type(None))):
            raise InvalidEvent(f"The trigger's event is no error: {dict(event)!r}")
        # One that a newer version has added is an error like any other here, and retried.
        return EmrError._by_name.get(event["type"], EmrError)(str(event.get("message")), facts)


class JobRunFailed(EmrError):
    """The job run ended FAILED."""


class JobRunCancelled(EmrError):
    """The job run was cancelled by somebody else, or by the service at its own time limit."""


class SessionEnded(EmrError):
    """The session failed, was terminated, or reached its idle timeout or its longest life."""


class TargetUnreachable(EmrError):
    """The resource is in a state from which the awaited one can no longer be reached."""


class WaitTimeout(EmrError):
    """The deadline of the wait passed before the resource reached the awaited state."""


class RequestRejected(EmrError, AirflowFailException):
    """The service refused the request and would refuse it again (validation); Airflow does not retry."""


class RequestConflict(EmrError):
    """The request conflicts with the resource's present state, or re-uses a client token with other parameters."""


class ResourceNotFound(EmrError, AirflowFailException):
    """The application, job run or session does not exist in this account and Region; Airflow does not retry."""


class QuotaExceeded(EmrError):
    """An account quota is used up."""


class ServiceUnavailable(EmrError):
    """Throttling, server errors, a broken network or answers that cannot be read outlasted the patience.

    What runs is left as it is; Airflow retries, and the next try goes on with it.
    """


class AccessDenied(EmrError):
    """The service, or what stands before it, has refused access (permissions, credentials, proxies) for minutes.

    What runs is left as it is; Airflow retries, and the next try goes on with it.
    """


class ConfigurationError(EmrError, AirflowFailException):
    """The parameters, options or the installation allow no call; Airflow does not retry."""


class DeploymentUnknown(EmrError):
    """Airflow did not tell its identity, without which nothing is started; Airflow tries the task again."""


class OtherDeployment(EmrError):
    """What was to be ended carries the tag of another Airflow, and is left to that one."""


class InvalidEvent(EmrError):
    """A worker and a triggerer of different versions do not understand each other.

    What runs is left as it is; Airflow retries, and the next try goes on with it.
    """


class TaskKilled(EmrError):
    """The task was killed from outside; what it had started is ended or kept, as the operator's parameters say."""


class Crashed(EmrError):
    """The wait ended with an error that nobody foresaw; its traceback is in the task log.

    What runs is left as it is; Airflow retries, and the next try goes on with it.
    """

    @classmethod
    def by(cls, error: Exception, arguments: Mapping[str, Any]) -> Crashed:
        """The error for an unforeseen one, with the ids among the arguments of what it ended."""
        given = arguments.get("ids", arguments)
        ids = {name: value for name, value in given.items() if name.endswith("_id")}
        named = f" ({', '.join(f'{name} {value}' for name, value in ids.items())})" if ids else ""
        return cls(
            f"The wait failed: {type(error).__name__}: {error}. What runs is left as it is{named}; the next try goes "
            "on with it.",
            ids,
        )
