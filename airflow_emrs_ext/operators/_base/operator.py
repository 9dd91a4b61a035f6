"""What every operator of the package does: follow a workflow in either mode, and finish in one place."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_emrs_ext._compat import BaseOperator, Context, as_xcoms
from airflow_emrs_ext.core import cost, settings
from airflow_emrs_ext.core.formats import known
from airflow_emrs_ext.core.outcome import Outcome, then_of
from airflow_emrs_ext.core.summary import log_summary
from airflow_emrs_ext.exceptions import Crashed, EmrError, InvalidEvent
from airflow_emrs_ext.operators._base.connection import (
    AwsConnectionMixin,
    ContainersMixin,
    Ec2Mixin,
    ServerlessMixin,
    aws_template_fields,
    refuse_words_of_others,
)
from airflow_emrs_ext.operators._base.end_from_trigger import ending
from airflow_emrs_ext.operators._base.parameters import seconds, whole_number
from airflow_emrs_ext.operators._base.xcom_args import HasResult
from airflow_emrs_ext.workflows import Facts, P, Workflow, named, watch_of

if TYPE_CHECKING:
    from airflow_emrs_ext.core.effects import RunContext, WaitPolicy

# The task's own deadline comes this much before Airflow's, so that the operator decides what happens to the run.
_MARGIN_SECONDS = 10.0


# The Amazon provider's pause between two looks, which DAGs that come from it count their attempts by.
_ATTEMPT_SECONDS = 60.0


class EmrOperator(HasResult, BaseOperator, AwsConnectionMixin):
    """Base of the operators.

    The result is one dictionary of plain JSON, and one XCom; ``operator.output["state"]`` is a member of it. Ids of
    what an operator starts or creates are XComs of their own, too, and those are there from the start. With Airflow's
    ``multiple_outputs=True`` every member is.

    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: longest pause between two looks while waiting, in seconds; default ``[emrs_ext] waiter_delay``,
        30 s. The first looks come sooner.
    :param wait_timeout: how long to wait at most, a timedelta or seconds; default: until ``execution_timeout`` if the
        task has one, else without limit
    :param waiter_max_attempts: another way to say ``wait_timeout``, for DAGs that come from the Amazon provider: the
        limit is ``waiter_max_attempts`` times ``waiter_delay``, or 60 s without that, as there
    :param deferrable: wait in the triggerer instead of a worker; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred task of changes of state; an empty one: none;
        default ``[emrs_ext] notification_queue``
    :param end_from_trigger: let the trigger end a deferred task that succeeds, so that no worker is started; takes
        Airflow 3.3. A worker ends the task as ever, and its log says why, where anything would be lost, such as
        callbacks, listeners and outlets. Default ``False``
    """

    template_fields: Sequence[str] = aws_template_fields("wait_timeout", "waiter_delay", "notification_queue")
    ui_color = "#ff9900"

    counts_cost: ClassVar[bool] = False
    """Whether the operator adds what it sees the end of to the metrics: one operator per job run or session does."""

    returns: ClassVar[str | None] = None
    """The one member of the facts that is the task's result, in classes with the Amazon provider's results."""

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        wait_timeout: timedelta | float | None = None,
        waiter_max_attempts: int | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_words_of_others(kwargs)
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.notification_queue = notification_queue
        self.waiter_delay = waiter_delay
        self.wait_timeout = wait_timeout
        self.waiter_max_attempts = waiter_max_attempts
        self.deferrable: bool = settings.default_deferrable() if deferrable is None else deferrable
        # Airflow refuses DAGs whose tasks have an attribute of the parameter's name wherever a plugin has a listener.
        self.ends_in_trigger = end_from_trigger

    def execute(self, context: Context, event: Any = None) -> Any:
        """Make the request, then wait for what it leads to.

        :param event: of a trigger, for classes of users' own that pass one on as the Amazon provider's take it
        """
        if event is not None:
            return self.execute_complete(context, event)
        # The deadline is the whole task's: it bounds the request, too, and a bad one is found before anything starts.
        self.hook.wait_policy = self._wait_policy(context)
        return self._xcom(self.act(context))

    def act(self, context: Context) -> dict[str, Any]:
        """What the operator does, with the hook's patience set to the task's."""
        raise NotImplementedError

    def follow(self, context: Context, workflow: Workflow[P], /, *_: P.args, **arguments: P.kwargs) -> Facts:
        """Run a workflow here, or in the triggerer when deferrable, and finish with its outcome.

        :param workflow: of :data:`~airflow_emrs_ext.workflows.registry.WORKFLOWS`
        :param arguments: plain JSON
        :return: the result (in deferrable mode :meth:`execute_complete` returns it)
        """
        if self.deferrable:
            wait_policy = self.hook.wait_policy.as_arguments()
            name = workflow.__name__
            watched = watch_of(name, arguments)
            self.defer(
                trigger=self._trigger(
                    workflow=name if watched is None else "wait_until_changed",
                    arguments=arguments if watched is None else watched,
                    wait_policy=wait_policy,
                    ending=ending(self, None if watched is None else name, arguments, concludes=True),
                    then=watched and {"workflow": name, "arguments": arguments, "wait_policy": wait_policy},
                    **self._on_kill_in_triggerer(),
                ),
                method_name="execute_complete",
            )
        return self.finish(context, self._outcome(workflow, arguments))

    def _outcome(self, workflow: Workflow[...], arguments: Mapping[str, Any]) -> Outcome:
        """How a workflow ends here."""
        try:
            return Outcome(result=self._run(workflow, **arguments))
        except EmrError as error:
            return Outcome(error=error)
        except Exception as error:
            # As in the triggerer: whatever nobody foresaw says nothing of what runs, which is left to the next try.
            self.log.exception("The wait failed")
            return Outcome(error=Crashed.by(error, arguments))

    def _run(self, workflow: Workflow[P], /, *_: P.args, **arguments: P.kwargs) -> Facts:
        """Run a workflow here."""
        return self.hook.run(workflow(self._run_context(), *_, **arguments))

    def _run_context(self) -> RunContext:
        return replace(self.hook.run_context, log=self.log)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Finish with the outcome that the trigger sent, or with what is to be seen of what it has watched.

        Of a success it has told all: nothing is imported, then, that only asking would need.
        """
        try:
            outcome = Outcome.from_event(event)
        except InvalidEvent as error:
            outcome = Outcome(error=error)
        then = then_of(event)
        if then and not isinstance(outcome.error, (Crashed, InvalidEvent)):
            from airflow_emrs_ext.workflows.registry import CONCLUSIONS, WORKFLOWS

            workflow = WORKFLOWS[then["workflow"]]
            arguments = known(workflow, then["arguments"])
            self.hook.wait_policy = wait_policy_of(then)
            if outcome.error is None:
                outcome = self._outcome(workflow, arguments)
            elif restate := CONCLUSIONS.get(workflow.__name__):
                self.hook.run(restate(self._run_context(), outcome.error, **arguments))
        return self._xcom(self.finish(context, outcome))

    def finish(self, context: Context, outcome: Outcome) -> dict[str, Any]:
        """The one end of both modes: return the result, or raise the error."""
        if isinstance(outcome.error, InvalidEvent) and (left := self.ids_of_started(context)):
            outcome.error.restate(f"{outcome.error.message} It is left: {left}.", {**outcome.error.facts, **left})
        facts = outcome.error.facts if outcome.error else outcome.result or {}
        log_summary(facts, self.log)
        if self.counts_cost and facts.get("ended_at"):
            cost.count(facts, {"dag_id": context["ti"].dag_id, "task_id": self.task_id})
        if outcome.error is not None:
            raise outcome.error
        return facts

    def _xcom(self, facts: dict[str, Any]) -> Any:
        """The task's result."""
        return as_xcoms(self, facts) if self.returns is None else facts[self.returns]

    def ids_of_started(self, context: Context) -> dict[str, str]:
        """The ids of what the task has started, as far as it is known; by default nothing is."""
        return {}

    def _wait_policy(self, context: Context) -> WaitPolicy:
        wait_policy = self.hook.wait_policy
        if self.notification_queue is not None:
            wait_policy = replace(wait_policy, notification_queue=self.notification_queue)
        if self.waiter_delay is not None:
            wait_policy = replace(wait_policy, waiter_delay=seconds(self.waiter_delay, "waiter_delay"))
        ends = self._deadlines(context, wait_policy.waiter_delay)
        if not ends:
            return wait_policy
        deadline, limit = min(ends)
        return replace(wait_policy, deadline=deadline, limit=limit)

    def _deadlines(self, context: Context, waiter_delay: float) -> list[tuple[float, str]]:
        """When each limit that is given ends the wait, and what it is called."""
        now = time.time()
        ends: list[tuple[float, str]] = []
        if self.wait_timeout is not None:
            limit = seconds(self.wait_timeout, "wait_timeout")
            ends.append((now + limit, f"wait_timeout ({limit:g} s)"))
        if self.waiter_max_attempts is not None:
            attempts = whole_number(self.waiter_max_attempts, "waiter_max_attempts") or 0
            pause = _ATTEMPT_SECONDS if self.waiter_delay is None else waiter_delay
            ends.append((now + attempts * pause, f"waiter_max_attempts ({attempts}, {pause:g} s each)"))
        if self.execution_timeout is not None:
            started = getattr(context.get("ti"), "start_date", None)
            whole = self.execution_timeout.total_seconds()
            end = (started.timestamp() if started else now) + whole - min(_MARGIN_SECONDS, whole / 4)
            ends.append((end, f"execution_timeout ({whole:g} s)"))
        return ends

    def _on_kill_in_triggerer(self) -> dict[str, Any]:
        """The trigger's arguments for a deferred task that is killed."""
        return {}


class EmrServerlessOperator(EmrOperator, ServerlessMixin):
    """Base of the EMR Serverless operators; takes the parameters of :class:`EmrOperator`."""


class EmrContainersOperator(EmrOperator, ContainersMixin):
    """Base of the EMR on EKS operators; takes the parameters of :class:`EmrOperator`."""


class EmrOnEc2Operator(EmrOperator, Ec2Mixin):
    """Base of the EMR on EC2 operators; takes the parameters of :class:`EmrOperator`."""


def on_kill(workflow: Workflow[P], /, *_: P.args, **arguments: P.kwargs) -> dict[str, Any]:
    """A trigger's arguments for what is to be run when its task is killed."""
    name, given = named(workflow, *_, **arguments)
    return {"on_kill_workflow": name, "on_kill_arguments": given}


def wait_policy_of(then: Mapping[str, Any]) -> WaitPolicy:
    """The patience of a task that goes on after a deferral."""
    from airflow_emrs_ext.core.effects import WaitPolicy

    return WaitPolicy.of(then["wait_policy"])
