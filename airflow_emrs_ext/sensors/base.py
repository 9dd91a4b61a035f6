"""What every sensor of the package does: look until a resource is in one of the awaited states."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from airflow_emrs_ext._compat import AirflowSensorTimeout, AirflowSkipException, Context, as_xcoms
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.core.outcome import Outcome, then_of
from airflow_emrs_ext.exceptions import EmrError, WaitTimeout
from airflow_emrs_ext.operators._base.connection import AwsConnectionMixin, aws_template_fields, refuse_words_of_others
from airflow_emrs_ext.operators._base.end_from_trigger import ending
from airflow_emrs_ext.operators._base.parameters import states_of
from airflow_emrs_ext.operators._base.xcom_args import HasResult
from airflow_emrs_ext.sensors._compat import BaseSensorOperator, PokeReturnValue
from airflow_emrs_ext.workflows import Facts

if TYPE_CHECKING:
    from airflow_emrs_ext.core.effects import Effects, RunContext, WaitPolicy
    from airflow_emrs_ext.resources import ResourceKind
    from airflow_emrs_ext.shared.states import State


class _Follows(Protocol):
    """A workflow that waits for a state."""

    __name__: str

    def __call__(
        self, ctx: RunContext, /, *, kind: str, ids: Mapping[str, str], target_states: Iterable[str]
    ) -> Effects[Facts]: ...


class EmrSensor(HasResult, BaseSensorOperator, AwsConnectionMixin):
    """Base of the sensors: wait until a resource is in one of ``target_states``.

    A state from which none of them can be reached any more fails the task at once. Modes ``poke`` and ``reschedule``
    are Airflow's; ``deferrable`` waits in the triggerer. ``timeout`` and ``soft_fail`` mean the same in all three.

    :param target_states: states to wait for, as the API spells them
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: another name of ``poke_interval``, in seconds
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred sensor of changes of state; an empty one:
        none; default ``[emrs_ext] notification_queue``
    :param end_from_trigger: as of :class:`~airflow_emrs_ext.operators._base.operator.EmrOperator`
    """

    template_fields: Sequence[str] = aws_template_fields()
    ui_color = "#ffd08a"

    @property
    def kind(self) -> ResourceKind[State]:
        """The kind of resource."""
        raise NotImplementedError

    def __init__(
        self,
        *,
        target_states: Iterable[str],
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_words_of_others(kwargs)
        if waiter_delay is not None:
            kwargs["poke_interval"] = waiter_delay
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        # A set would have another order, and with it the serialized DAG, in each process.
        self.target_states: Iterable[str] = (
            sorted(target_states) if isinstance(target_states, (set, frozenset)) else target_states
        )
        self.notification_queue = notification_queue
        self.deferrable: bool = settings.default_deferrable() if deferrable is None else deferrable
        self.ends_in_trigger = end_from_trigger

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        from airflow_emrs_ext.aws.waiting import look

        # One look is not repeated for longer than the whole sensor may wait.
        ctx = replace(self.hook.run_context, wait_policy=self._wait_policy())
        ids = self._ids()
        targets = self._targets()
        snapshot = self.hook.run(look(self.kind, ids, ctx))
        if snapshot.state not in targets and snapshot.state.can_reach(targets):
            self.log.info("%s is %s", self.kind.label(ids), snapshot.state)
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=as_xcoms(self, self.hook.run(self._follow(ctx))))

    def execute(self, context: Context) -> Any:
        """Wait, in the triggerer if deferrable."""
        if self.deferrable:
            name = self._workflow().__name__
            self.defer(
                trigger=self._trigger(
                    workflow="wait_until_changed",
                    arguments=self._arguments(),
                    wait_policy=self._wait_policy().as_arguments(),
                    ending=ending(self, name, self._arguments(), concludes=False),
                    then={"workflow": name, "arguments": self._arguments()},
                ),
                method_name="execute_complete",
            )
        try:
            return super().execute(context)
        except WaitTimeout as error:
            raise self._timed_out(error) from error
        except EmrError as error:
            return self._fail(error)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Finish with the outcome that the trigger sent."""
        try:
            outcome = Outcome.from_event(event)
            if outcome.error is not None:
                raise outcome.error
            if not then_of(event) and "state" in (outcome.result or {}):
                return as_xcoms(self, outcome.result or {})
            # What the trigger has watched for, and not told, is looked at now.
            ctx = replace(self.hook.run_context, log=self.log, wait_policy=self._wait_policy())
            return as_xcoms(self, self.hook.run(self._follow(ctx)))
        except WaitTimeout as error:
            raise self._timed_out(error) from error
        except EmrError as error:
            return self._fail(error)

    def _timed_out(self, error: EmrError) -> Exception:
        return (AirflowSkipException if self.soft_fail else AirflowSensorTimeout)(error.message)

    def _fail(self, error: EmrError) -> dict[str, Any]:
        if self.soft_fail or getattr(self, "never_fail", False):
            raise AirflowSkipException(error.message) from error
        raise error

    def _wait_policy(self) -> WaitPolicy:
        wait_policy = self.hook.wait_policy
        if self.notification_queue is not None:
            wait_policy = replace(wait_policy, notification_queue=self.notification_queue)
        timeout = float(self.timeout)
        return replace(
            wait_policy,
            waiter_delay=float(self.poke_interval),
            deadline=time.time() + timeout,
            limit=f"timeout ({timeout:g} s)",
        )

    def _follow(self, ctx: RunContext) -> Effects[dict[str, Any]]:
        return self._workflow()(ctx, kind=self.kind.key, ids=self._ids(), target_states=self._target_names())

    def _arguments(self) -> dict[str, Any]:
        return {"kind": self.kind.key, "ids": self._ids(), "target_states": self._target_names()}

    def _workflow(self) -> _Follows:
        from airflow_emrs_ext.resources import JOB_RUNS
        from airflow_emrs_ext.workflows.job_run import wait_for_job_run
        from airflow_emrs_ext.workflows.lifecycle import wait_for_state

        return wait_for_job_run if self.kind.key in JOB_RUNS else wait_for_state

    def _ids(self) -> dict[str, str]:
        return {name: self.id_of(name) for name in self.kind.id_names}

    def _target_names(self) -> list[str]:
        return [str(state) for state in self._targets()]

    def _targets(self) -> list[State]:
        return states_of(self.target_states, self.kind.states, "target_states")
