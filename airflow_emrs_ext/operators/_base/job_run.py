"""What the operators do that start or cancel a job run, of whichever service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.core import lineage
from airflow_emrs_ext.core.outcome import Outcome, then_of
from airflow_emrs_ext.operators._base.checks import check_choice
from airflow_emrs_ext.operators._base.ends_with_task import EndsWithTaskOperator
from airflow_emrs_ext.operators._base.idempotent_start import Event
from airflow_emrs_ext.operators._base.operator import EmrOperator, on_kill, wait_policy_of
from airflow_emrs_ext.workflows import KILL_SECONDS, ShowDriverLogs

if TYPE_CHECKING:
    from airflow_emrs_ext.resources import JobRunKind
    from airflow_emrs_ext.shared.states import State

WaitFor = Literal["completion", "running", "submission"]

SubmitFrom = Literal["worker", "triggerer"]
"""Where the job run is submitted: a triggerer submits those of hundreds of tasks one by one, as the quota allows."""


class StartingJobRunOperator(EndsWithTaskOperator):
    """Base of the operators that start a job run and wait for it."""

    job_driver: Any

    @property
    def kind(self) -> JobRunKind[State]:
        """The kind of resource."""
        raise NotImplementedError

    def __init__(
        self,
        *,
        name: str | None = None,
        wait_for: WaitFor | None = None,
        wait_for_completion: bool | None = None,
        show_driver_logs: ShowDriverLogs = "on_failure",
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        submit_from: SubmitFrom = "worker",
        artifacts: str | None = None,
        config: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.wait_for = wait_for
        self.wait_for_completion = wait_for_completion
        self.show_driver_logs = show_driver_logs
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.submit_from = submit_from
        self.artifacts = artifacts
        self.config = config

    @property
    def job_id(self) -> str | None:
        """The id of the job run, as the Amazon provider's operators call it; ``None``: none has been started yet."""
        return self._ids.get("job_run_id")

    @job_id.setter
    def job_id(self, value: str | None) -> None:
        """Taken from classes of users' own that set it; it is what the task has started."""

    def act(self, context: Context) -> dict[str, Any]:
        """Submit the job run, then wait for it."""
        request = self.request(context)
        targets = self._targets(request.get("mode"))
        # Templates are rendered by now.
        check_choice("show_driver_logs", self.show_driver_logs, ShowDriverLogs)
        self._warn_of_multiplied_retries(request)
        if self.submit_from == "triggerer":
            self._defer_submission(context, request, targets)
        return self._follow_started(context, self.start_once(context, request), targets)

    def execute_submitted(self, context: Context, event: Any = None) -> Any:
        """Go on with what the triggerer has submitted."""
        outcome, then = Outcome.from_event(event), then_of(event)
        if outcome.error is not None:
            return self._xcom(self.finish(context, outcome))
        self._ti, self.hook.wait_policy = context["ti"], wait_policy_of(then)
        with self.ends_at_kill():
            return self._xcom(self._follow_started(context, outcome.result or {}, then["targets"]))

    def _defer_submission(self, context: Context, request: Mapping[str, Any], targets: Sequence[str]) -> None:
        from airflow_emrs_ext.workflows.idempotent_start import end_uncertain_start

        arguments = self.start_arguments(context, request)
        start, self._start = self._start, {}
        at_kill = on_kill(end_uncertain_start, **start, seconds=KILL_SECONDS) if start and self._ends_on("kill") else {}
        wait_policy = self.hook.wait_policy.as_arguments()
        self.log.info("Submitting from the triggerer, when its turn comes")
        self.defer(
            trigger=self._trigger(
                workflow=self._start_workflow().__name__,
                arguments=arguments,
                wait_policy=wait_policy,
                then={"targets": targets, "wait_policy": wait_policy},
                **at_kill,
            ),
            method_name="execute_submitted",
        )

    def _recall(self, context: Context) -> None:
        super()._recall(context)
        if not self._ids and self.submit_from == "triggerer":
            # No worker has heard of what a triggerer may have submitted: the same request tells.
            self.start_arguments(context, self.request(context))

    def _follow_started(self, context: Context, started: Mapping[str, Any], targets: Sequence[str]) -> dict[str, Any]:
        from airflow_emrs_ext.workflows.job_run import wait_for_job_run

        self.own(context, self.kind.pick(started))
        if not targets:
            return {**self._ids, **({"arn": started["arn"]} if started.get("arn") else {})}
        return self.follow(
            context,
            wait_for_job_run,
            kind=self.kind.key,
            ids=self._ids,
            target_states=targets,
            cancel_on_timeout=self.cancel_on_timeout,
            show_driver_logs=self.show_driver_logs,
        )

    def _ends_on(self, event: Event) -> bool:
        return self.cancel_on_kill if event == "kill" else self.cancel_on_timeout

    def request(self, context: Context) -> dict[str, Any]:
        """The parameters of the operation that starts the job run, without the client token."""
        raise NotImplementedError

    def uploaded_driver(self) -> Any:
        """The job driver, with files that are beside the DAG file on S3."""
        from airflow_emrs_ext.operators._base.local_files import with_uploaded

        dag: Any = self.get_dag()
        if dag is None:
            return self.job_driver
        folder = Path(dag.fileloc).parent
        return with_uploaded(self.job_driver, folder, self.artifacts, self.hook, self.log)

    def completed(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        """A request within the service's limit of properties, with what leads from Spark back to the task."""
        from airflow_emrs_ext.operators._base.property_limit import within_limit

        limited, moved = within_limit(self.kind.service, request)
        if moved:
            self.log.info(
                "`spark-defaults` has more properties than the service takes: submitted as --conf are %s",
                ", ".join(moved),
            )
        return lineage.with_properties(lineage.named(limited), lineage.transport(context))

    def attempts_parameter(self) -> tuple[str, str] | None:
        """The member of the request that lets the service make several attempts, and the parameter that says it.

        ``None``: the service makes one.
        """
        raise NotImplementedError

    def _warn_of_multiplied_retries(self, request: Mapping[str, Any]) -> None:
        if (found := self.attempts_parameter()) is None:
            return
        member, parameter = found
        attempts = request.get(member, {}).get("maxAttempts", 1)
        if attempts > 1 and self.retries:
            self.log.warning(
                "`%s` lets the service make %d attempts of a job run, and `retries` lets Airflow start %d job runs: up "
                "to %d attempts. Leave the attempts to one of them.",
                parameter,
                attempts,
                self.retries + 1,
                attempts * (self.retries + 1),
            )

    def _targets(self, mode: str | None) -> list[str]:
        wait_for = self.wait_for
        if wait_for is None and self.wait_for_completion is not None:
            wait_for = "completion" if self.wait_for_completion else "submission"
        if wait_for is None:
            wait_for = "running" if mode == "STREAMING" else "completion"
        done = [str(state) for state in self.kind.states if state.is_success]
        targets: Mapping[str, list[str]] = {
            "completion": done,
            # A short job run may be over before it was seen running.
            "running": [str(self.kind.running), *done],
            "submission": [],
        }
        return targets[wait_for]


class CancellingJobRunOperator(EmrOperator):
    """Base of the operators that cancel a job run; its ids are attributes."""

    @property
    def kind(self) -> JobRunKind[State]:
        """The kind of resource."""
        raise NotImplementedError

    def __init__(self, *, wait_for_completion: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion = wait_for_completion

    def act(self, context: Context) -> dict[str, Any]:
        """Request the cancellation, then wait for the end."""
        from airflow_emrs_ext.workflows.job_run import cancel_job_run, request_cancellation

        ids = {name: self.id_of(name) for name in self.kind.id_names}
        workflow = cancel_job_run if self.wait_for_completion else request_cancellation
        return self.follow(context, workflow, kind=self.kind.key, ids=ids, **self.members())

    def members(self) -> dict[str, Any]:
        """Further arguments of the cancellation."""
        return {}
