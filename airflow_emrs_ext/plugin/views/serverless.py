"""What is EMR Serverless' own in links and pages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from typing_extensions import override

from airflow_emrs_ext.aws import serverless as api
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.core.effects import Call
from airflow_emrs_ext.core.lockless import lockless_property
from airflow_emrs_ext.exceptions import AccessDenied, EmrError, RequestRejected
from airflow_emrs_ext.plugin import console
from airflow_emrs_ext.plugin.pages import AGAIN_SECONDS
from airflow_emrs_ext.plugin.views.base import DrivenRunView, LinkUnavailable, again
from airflow_emrs_ext.plugin.views.workers import Workers, is_kept, workers
from airflow_emrs_ext.resources import JOB_RUN, attempt_facts, price_facts

# How long managed storage keeps what it has.
_KEPT = timedelta(days=30)
# As many attempts as a batch job run may have; of a streaming one with more only the newest are asked about.
_ATTEMPTS_WITH_TIMES = 10


@lru_cache(maxsize=500)
def _ended_attempts(*job_run: str) -> dict[int, Mapping[str, Any]]:
    """By number, the times of attempts of a job run that have ended: they stay, and no page asks for them again."""
    return {}


def _times(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in ("started_at", "ended_at")}


class ServerlessView(DrivenRunView):
    """A job run or session of EMR Serverless."""

    @abstractmethod
    def mint(self) -> str | None:
        """A new URL of the UI, good once and for an hour; ``None``: there is none yet."""

    @lockless_property
    def application(self) -> dict[str, Any]:
        """The application as the service describes it; empty to those who may not read it."""
        try:
            return self.ask(api.get_application, self.ids["application_id"])
        except (AccessDenied, RequestRejected):
            return {}

    @property
    @override
    def about(self) -> Mapping[str, Any]:
        return price_facts(self.application, self.facts)

    @property
    @override
    def defaults(self) -> Mapping[str, Any]:
        monitoring: Mapping[str, Any] = self.application.get("monitoringConfiguration", {})
        return monitoring

    @override
    def require_ui(self, facts: Mapping[str, Any]) -> None:
        if not self.locations["managed_storage"]:
            raise LinkUnavailable(
                404,
                "Managed logs are switched off",
                "The service keeps the Spark UI in its managed storage, which the monitoring configuration of this "
                "run or of its application switches off. The logs are where that configuration puts them.",
            )
        ended = self.ended_at(facts)
        if ended and datetime.now(timezone.utc) - ended > _KEPT:
            raise LinkUnavailable(
                404,
                "Not kept any more",
                f"The service keeps the Spark UI and the logs in its managed storage for {_KEPT.days} days; this ended "
                f"on {ended:%Y-%m-%d}.",
            )

    @override
    def ui(self) -> str:
        try:
            url = self.mint()
        except RequestRejected as error:
            if error.facts.get("code") != "ValidationException":
                raise
            said = f"The service has none to show, and keeps none for more than {_KEPT.days} days. {error.message}"
            raise LinkUnavailable(409, "No dashboard", said) from error
        if url is None:
            raise LinkUnavailable(
                409,
                "Not started yet",
                f"{self.kind.label(self.ids)} is {self.facts['state']} and has no dashboard.",
                again_after=AGAIN_SECONDS if self.is_active else None,
            )
        return url

    @override
    def console_page(self) -> str:
        if url := settings.studio_url():
            return console.studio(url, *self.ids.values())
        return console.emr(self.console, self.region)


class ServerlessJobRunView(ServerlessView):
    """A job run of EMR Serverless, which describes each attempt."""

    def _describe(self) -> Call:
        described = self.kind.describe(self.ids)
        attempt = {} if self.attempt is None else {"attempt": self.attempt}
        return Call(described.operation, {**described.parameters, **attempt}, service=described.service)

    @property
    @override
    def attempts(self) -> list[dict[str, Any]]:
        try:
            listed = self.ask(api.list_job_run_attempts, *self.ids.values())
        except (AccessDenied, RequestRejected):
            return []  # it may be seen and its attempts not: the page shows the rest
        attempts = sorted(map(attempt_facts, listed), key=lambda one: int(one["attempt"]), reverse=True)
        # The newest first: what is not told in time is missing of the oldest.
        newest = [{**one, **self._times_of(one)} for one in attempts[:_ATTEMPTS_WITH_TIMES]]
        return [*newest, *attempts[_ATTEMPTS_WITH_TIMES:]][::-1]

    def _times_of(self, attempt: Mapping[str, Any]) -> Mapping[str, Any]:
        """Start and end of an attempt, which GetJobRun tells and ListJobRunAttempts does not."""
        number = attempt["attempt"]
        if number == self.facts["attempt"]:
            return _times(self.facts)
        ended = _ended_attempts(self.region, *self.ids.values())
        if number in ended:
            return ended[number]
        if not self.seconds_left:
            return {}
        try:
            run = self.ask(api.get_job_run, *self.ids.values(), attempt=number)
            times = _times(self.kind.read(self.ids, {"jobRun": run}).facts)
        except (EmrError, LookupError, TypeError, ValueError, AttributeError):
            return {}
        # It had ended before its times were asked for.
        if self.kind.states.parse(attempt["state"]).is_terminal:
            ended[number] = times
        return times

    @property
    @override
    def workers(self) -> list[Workers]:
        facts = self.facts
        since = datetime.fromisoformat(facts["created_at"])
        until = datetime.fromisoformat(facts["ended_at"]) if facts["ended_at"] else datetime.now(timezone.utc)
        if not (JOB_RUN.has_driver(facts) and is_kept(since)):
            return []
        asked_as = (self.connection["aws_conn_id"], self.region)
        return self.ask(workers, asked_as, facts["job_run_id"], since, until)

    @override
    def mint(self) -> str | None:
        operation = api.get_dashboard_for_job_run
        # Whoever would wait for too long takes no turn, and leaves it to those who come after.
        if self.hook.rate_limiter.comes_in(self.kind.service, operation.__name__) > self.seconds_left:
            raise again(None, "Too many people are opening dashboards at once.", self.record)
        return self.ask(operation, *self.ids.values(), attempt=self.attempt)


class SessionView(ServerlessView):
    """A session of EMR Serverless."""

    @override
    def mint(self) -> str | None:
        return self.ask(api.get_resource_dashboard, *self.ids.values())
