"""Sensors that wait for a state of an EMR Serverless application, job run or session."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar

from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_emrs_ext import settings
from airflow_emrs_ext._compat import AirflowSensorTimeout, AirflowSkipException, Context, PokeReturnValue, as_xcoms
from airflow_emrs_ext.exceptions import ConfigurationError, EmrError, WaitTimeout
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.models import APPLICATION, JOB_RUN, SESSION, ResourceKind
from airflow_emrs_ext.operators.base import id_of
from airflow_emrs_ext.operators.session import session_ids
from airflow_emrs_ext.outcome import Outcome
from airflow_emrs_ext.procedures import PROCEDURES
from airflow_emrs_ext.states import ApplicationState, JobRunState, SessionState, State
from airflow_emrs_ext.steps import Patience, Steps, Terms
from airflow_emrs_ext.triggers.serverless import ProcedureTrigger
from airflow_emrs_ext.waiting import look


class EmrServerlessSensor(AwsBaseSensor[EmrServerlessHook]):
    """Base of the sensors: wait until a resource is in one of ``target_states``.

    A state from which none of them can be reached any more fails the task at once. Modes ``poke`` and ``reschedule``
    are Airflow's; ``deferrable`` waits in the triggerer. ``timeout`` and ``soft_fail`` mean the same in all three.

    :param target_states: list of states to wait for, as the API spells them
    :param waiter_delay: another name of ``poke_interval``, in seconds
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    """

    aws_hook_class = EmrServerlessHook
    ui_color = "#ffd08a"
    kind: ClassVar[ResourceKind[State]]
    procedure: ClassVar[str]
    id_fields: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        *,
        target_states: Iterable[str],
        waiter_delay: float | None = None,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if waiter_delay is not None:
            kwargs["poke_interval"] = waiter_delay
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.target_states = target_states
        self.deferrable = settings.default_deferrable() if deferrable is None else deferrable

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        # One look is not repeated for longer than the whole sensor may wait.
        terms = replace(self.hook.terms, patience=self._patience())
        ids = self._ids()
        targets = self._targets()
        snapshot = self.hook.run(look(self.kind, ids, terms))
        if snapshot.state not in targets and snapshot.state.can_reach(targets):
            self.log.info("%s is %s", self.kind.label(ids), snapshot.state)
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=as_xcoms(self.hook.run(self._follow(terms))))

    def execute(self, context: Context) -> Any:
        """Wait, in the triggerer if deferrable."""
        if self.deferrable:
            self.defer(
                trigger=ProcedureTrigger(
                    procedure=self.procedure,
                    arguments=self._arguments(),
                    patience=asdict(self._patience()),
                    hook=self._hook_parameters,
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
        outcome = Outcome.from_event(event)
        if isinstance(outcome.error, WaitTimeout):
            raise self._timed_out(outcome.error) from outcome.error
        if outcome.error is not None:
            return self._fail(outcome.error)
        return as_xcoms(outcome.result or {})

    def _timed_out(self, error: EmrError) -> Exception:
        return (AirflowSkipException if self.soft_fail else AirflowSensorTimeout)(error.message)

    def _fail(self, error: EmrError) -> dict[str, Any]:
        if self.soft_fail or getattr(self, "never_fail", False):
            raise AirflowSkipException(error.message) from error
        raise error

    def _patience(self) -> Patience:
        return replace(
            self.hook.patience, waiter_delay=float(self.poke_interval), deadline=time.time() + float(self.timeout)
        )

    def _follow(self, terms: Terms) -> Steps[dict[str, Any]]:
        return PROCEDURES[self.procedure](terms, **self._arguments())

    def _arguments(self) -> dict[str, Any]:
        return {**self._ids(), "target_states": [str(state) for state in self._targets()]}

    def _ids(self) -> dict[str, str]:
        return {field: id_of(getattr(self, field), field) for field in self.id_fields}

    def _targets(self) -> list[State]:
        given = [self.target_states] if isinstance(self.target_states, str) else self.target_states
        try:
            return [self.kind.states(state) for state in given]
        except ValueError as error:
            known = ", ".join(self.kind.states)
            raise ConfigurationError(f"`target_states`: {error}; the states are {known}.") from None


class EmrServerlessApplicationSensor(EmrServerlessSensor):
    """Wait for a state of an EMR Serverless application (GetApplication).

    :param application_id: of the application, or the result of the operator that created it
    :param target_states: default ``CREATED`` or ``STARTED``
    :return: as :class:`~airflow_emrs_ext.operators.application.EmrServerlessCreateApplicationOperator`
    """

    template_fields: Sequence[str] = aws_template_fields("application_id", "target_states")
    kind = APPLICATION
    procedure = "follow_application"
    id_fields = ("application_id",)

    def __init__(
        self,
        *,
        application_id: Any,
        target_states: Iterable[str] = (ApplicationState.CREATED, ApplicationState.STARTED),
        **kwargs: Any,
    ) -> None:
        super().__init__(target_states=target_states, **kwargs)
        self.application_id = application_id


class EmrServerlessJobRunSensor(EmrServerlessSensor):
    """Wait for a state of an EMR Serverless job run (GetJobRun).

    :param application_id: of the application, or a result that contains it
    :param job_run_id: of the job run, or the result of the operator that started it
    :param target_states: default ``SUCCESS``
    :return: as :class:`~airflow_emrs_ext.operators.job_run.EmrServerlessStartJobRunOperator`
    :raises JobRunFailed, JobRunCancelled: it ended another way
    """

    template_fields: Sequence[str] = aws_template_fields("application_id", "job_run_id", "target_states")
    kind = JOB_RUN
    procedure = "follow_job_run"
    id_fields = ("application_id", "job_run_id")

    def __init__(
        self,
        *,
        application_id: Any,
        job_run_id: Any,
        target_states: Iterable[str] = (JobRunState.SUCCESS,),
        **kwargs: Any,
    ) -> None:
        super().__init__(target_states=target_states, **kwargs)
        self.application_id = application_id
        self.job_run_id = job_run_id


class EmrServerlessSessionSensor(EmrServerlessSensor):
    """Wait for a state of an EMR Serverless session (GetSession).

    :param session: the result of the operator that started it
    :param application_id: of the application, where no ``session`` is given
    :param session_id: of the session, likewise
    :param target_states: default: ready, which is ``STARTED``, ``IDLE`` or ``BUSY``
    :return: as :class:`~airflow_emrs_ext.operators.session.EmrServerlessStartSessionOperator`
    :raises SessionEnded: it ended instead
    """

    template_fields: Sequence[str] = aws_template_fields("session", "application_id", "session_id", "target_states")
    kind = SESSION
    procedure = "follow_session"
    id_fields = ("application_id", "session_id")

    def __init__(
        self,
        *,
        session: Any = None,
        application_id: Any = None,
        session_id: Any = None,
        target_states: Iterable[str] = (SessionState.STARTED, SessionState.IDLE, SessionState.BUSY),
        **kwargs: Any,
    ) -> None:
        super().__init__(target_states=target_states, **kwargs)
        self.session = session
        self.application_id = application_id
        self.session_id = session_id

    def _ids(self) -> dict[str, str]:
        return session_ids(self.session, self.application_id, self.session_id)
