"""What operators do whose work runs in a session: a given one, or one of their own that ends with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.exceptions import ConfigurationError, EmrError, TaskKilled
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator, session_ids

if TYPE_CHECKING:
    from airflow_emrs_ext.hooks.spark_connect import EmrServerlessSparkConnectHook


# The work is done in the worker, and so is the waiting for what it is done in.
_FIXED: Mapping[str, bool] = {
    "deferrable": False,
    "wait_for_completion": True,
    "terminate_on_kill": True,
    "terminate_on_timeout": True,
}


class InSessionOperator(EmrServerlessStartSessionOperator):
    """Base of the operators whose work runs in a session.

    :param session: the session to work in: the result of the operator that started it, or a mapping with
        ``application_id`` and ``session_id``; or a managed endpoint of EMR on EKS, by ``virtual_cluster_id`` and
        ``endpoint_id``, or a session of EMR on EC2, by ``cluster_id`` and ``session_id``. It goes on after the task.
        Without it the task starts a session of its own, which ends with the task however that ends, and takes for it
        the parameters of
        :class:`~airflow_emrs_ext.operators.session.EmrServerlessStartSessionOperator`:
    :param application_id: of the application of the task's own session
    :param execution_role_arn: ARN of the IAM role that the task's own session assumes
    """

    template_fields: Sequence[str] = (*EmrServerlessStartSessionOperator.template_fields, "session")

    def __init__(
        self, *, session: Any = None, application_id: Any = None, execution_role_arn: str = "", **kwargs: Any
    ) -> None:
        for name, value in _FIXED.items():
            if kwargs.get(name, value) != value:
                raise ConfigurationError(
                    f"`{name}` is {kwargs[name]!r}; here it is always {value}: the work is done in the worker, and a "
                    "session of the task's own ends with it."
                )
        super().__init__(application_id=application_id, execution_role_arn=execution_role_arn, **{**kwargs, **_FIXED})
        self.session = session

    aws_hook_class: ClassVar[type[EmrServerlessSparkConnectHook] | None] = None

    @cached_property
    def hook(self) -> EmrServerlessSparkConnectHook:
        """The hook, made when a task first needs it."""
        from airflow_emrs_ext.hooks.spark_connect import EmrServerlessSparkConnectHook

        return (self.aws_hook_class or EmrServerlessSparkConnectHook)(**self._hook_parameters)

    @contextmanager
    def session_to_work_in(self, context: Context) -> Iterator[dict[str, Any]]:
        """The ids of a session that is ready; one of the task's own ends with the block.

        :raises ConfigurationError: neither a session is given nor what one is started with
        """
        from airflow_emrs_ext.workflows.lifecycle import wait_for_state

        self.hook.wait_policy = self._wait_policy(context)
        if self.session is not None:
            given = self._given_session()
            kind = self.hook.kind_of(given)
            ids = kind.pick(given)
            self.show_links(context, kind.key, ids)
            ready = [str(state) for state in kind.states if state.is_success]
            self._run(wait_for_state, kind=kind.key, ids=ids, target_states=ready)
            options = kind.spark_connect.options if kind.spark_connect else ()
            yield {name: given[name] for name in (*kind.id_names, *options) if name in given}
            return
        if not self.application_id or not self.execution_role_arn:
            raise ConfigurationError(
                "Give the `session` to work in, or `application_id` and `execution_role_arn` for one of the task's own."
            )
        try:
            facts = self.act(context)
        except EmrError:
            raise  # its deadline has ended the session, and anything else leaves it to the next try
        except BaseException:
            # Airflow's timeout of a task is none of the errors that the start foresees.
            self.end_started()
            raise
        try:
            yield self.kind.pick(facts)
        finally:
            self._end()

    def _given_session(self) -> dict[str, Any]:
        if isinstance(self.session, Mapping) and ("session_id" not in self.session or "cluster_id" in self.session):
            return dict(self.session)
        return dict(session_ids(self.session, self.application_id or None))

    def on_kill(self) -> None:
        """End the work at once, wherever it runs, and a session of the task's own."""
        self.hook.cut(TaskKilled("The task was killed while it was working in the session."))
        super().on_kill()
