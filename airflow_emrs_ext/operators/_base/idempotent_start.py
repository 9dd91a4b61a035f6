"""What operators do that start something which the next try of the task finds again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from airflow_emrs_ext._compat import Context, made_as, tries_before_cleared
from airflow_emrs_ext.aws.ownership_tags import TaskIdentity
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.operators._base.operator import EmrOperator
from airflow_emrs_ext.operators._base.parameters import structure_of
from airflow_emrs_ext.workflows import Workflow

if TYPE_CHECKING:
    from airflow_emrs_ext.resources import ResourceKind
    from airflow_emrs_ext.shared.states import State

Event = Literal["kill", "timeout"]

# What is added to the tags that name a task: the request and its generation.
_FURTHER_TAGS = 2


class IdempotentStartOperator(EmrOperator):
    """Base of the operators that start something which another try of the task finds again.

    :param reattach: whether a try goes on with what an earlier one has started and left active, as after the loss of a
        worker; ``False``: it ends that and starts anew
    """

    @property
    def kind(self) -> ResourceKind[State]:
        """The kind of resource."""
        raise NotImplementedError

    client_request_token: str | None = None
    config: Mapping[str, Any] | None = None

    def __init__(self, *, reattach: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reattach = reattach
        self._start: dict[str, Any] = {}

    def start_once(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        """The facts of what the task owns: found if an earlier try has started it, else started now.

        A request with a client token of the user's own is made with that, and what it leads to is the task's.
        """
        return self._run(self._start_workflow(), **self.start_arguments(context, request))

    def _start_workflow(self) -> Workflow[...]:
        from airflow_emrs_ext.workflows.idempotent_start import idempotent_start

        return idempotent_start

    def start_arguments(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the workflow that starts it."""
        if token := self._given_token():
            return {"kind": self.kind.key, "request": request, "token": token}
        ti = context["ti"]
        own = () if self.reattach else (ti.try_number,)
        cleared = tries_before_cleared(ti, self.retries)
        parents = self.parents(context)
        # Airflow's time; that of the try may be the worker's.
        began = getattr(context.get("dag_run"), "start_date", None)
        self._start = {
            "kind": self.kind.key,
            "request": request,
            "seed": TaskIdentity.of(context).seed(*own, *made_as(context)),
            "try_number": ti.try_number,
            "epoch": {
                "tries": cleared if self.reattach else 0,
                "began": began and began.timestamp(),
                "ends": self._ends_on("kill"),
            },
            "parents": parents if self.reattach else parents[-1:],
            # The first release knows it as an argument of the start alone, and takes it for true.
            **({} if self.reattach else {"reattach": False}),
        }
        return {**self._start, "reattach": self.reattach}

    def parents(self, context: Context) -> list[dict[str, str]]:
        """Spark properties that name the parent of what the task starts, for each generation."""
        return []

    def _ends_on(self, event: Event) -> bool:
        """Whether what the task has started is ended then."""
        return False

    def _given_token(self) -> str | None:
        return self.client_request_token or structure_of(self.config, "config").get(self._token_member)

    @property
    def _token_member(self) -> str:
        return self.kind.member(self.kind.api.token)

    def ownership(self, context: Context, given: Mapping[str, Any]) -> dict[str, Any]:
        """The name and the tags that say whose a resource is; what the user has ``given`` wins."""
        from airflow_emrs_ext.aws.request_values import longest

        identity, own = TaskIdentity.of(context), given.get("tags") or {}
        named = identity.tags if settings.default_tags() else {}
        most = longest(self.kind.service, self.kind.starts, self.kind.member("tags")) or self.kind.api.most_tags
        if named and most is not None and len({**named, **own}) + _FURTHER_TAGS > most:
            named = {}
            self.log.warning(
                "`tags` has %d of the %d tags that the service takes: those that say whose the %s is are left out. A "
                "retry finds it by its client token alone, and a sweep does not find it.",
                len(own),
                most,
                self.kind.name.lower(),
            )
        name = given.get("name") or self.kind.name_of(identity.name)
        return {"name": name, "tags": {**named, **own}}
