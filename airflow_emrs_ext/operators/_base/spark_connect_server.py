"""What the operators do that start something in which tasks work with Spark Connect, of whichever service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.core.values import parsed
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.operators._base.connection import aws_template_fields
from airflow_emrs_ext.operators._base.ends_with_task import EndsWithTaskOperator
from airflow_emrs_ext.operators._base.parameters import request_of, require

if TYPE_CHECKING:
    from airflow_emrs_ext.resources import EndableKind
    from airflow_emrs_ext.shared.states import State

Structure = Mapping[str, Any]

# What a teardown has in common with its setup unless it is told otherwise.
_CONNECTION = ("aws_conn_id", "region_name", "verify", "botocore_config", "deferrable", "waiter_delay", "dag")


class StartingSparkConnectServerOperator(EndsWithTaskOperator):
    """Base of the operators that start something that serves Spark Connect, and wait until it is ready."""

    @property
    def kind(self) -> EndableKind[State]:
        """The kind of resource."""
        raise NotImplementedError

    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout",
        "waiter_delay",
        "execution_role_arn",
        "name",
        "runtime_configuration",
        "tags",
        "config",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "runtime_configuration": "json",
        "tags": "json",
        "config": "json",
    }

    def __init__(
        self,
        *,
        execution_role_arn: str | None = None,
        name: str | None = None,
        runtime_configuration: Structure | Sequence[Structure] | None = None,
        tags: Mapping[str, str] | None = None,
        wait_for_completion: bool = True,
        config: Structure | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.execution_role_arn = execution_role_arn
        self.name = name
        self.runtime_configuration = runtime_configuration
        self.tags = tags
        self.wait_for_completion = wait_for_completion
        self.config = config

    def act(self, context: Context) -> dict[str, Any]:
        """Start it or find the task's own, then wait for it."""
        from airflow_emrs_ext.workflows.lifecycle import wait_for_state

        started = self.start_once(context, self.request(context))
        ids = self.kind.pick(started)
        self.own(context, ids)
        if not self.wait_for_completion:
            return started
        return self.follow(
            context,
            wait_for_state,
            kind=self.kind.key,
            ids=ids,
            target_states=[str(state) for state in self.kind.states if state.is_success],
            end_on_timeout=self._ends_on("timeout"),
        )

    def request(self, context: Context) -> dict[str, Any]:
        """The parameters of the operation that starts it, without the client token."""
        raise NotImplementedError

    def configuration(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The parameters of the request that ``runtime_configuration`` gives, and what the operator calls them."""
        raise NotImplementedError

    def classifications(self) -> Any:
        """Configurations in the API's own form, given as such or as Spark properties."""
        given = self.runtime_configuration
        whole = parsed(given) if isinstance(given, str) else given
        if not isinstance(whole, Mapping):
            return given
        member = self.kind.member
        return [{member("classification"): "spark-defaults", member("properties"): whole}]

    def given(self, context: Context, renamed: Mapping[str, str] | None = None, **parameters: Any) -> dict[str, Any]:
        """What the requests have in common: the parameters of this base, with ``parameters``, and whose it is.

        :param renamed: what the operator calls parameters that have other names in the API
        """
        if self._given_token():
            raise ConfigurationError(
                f"`config` has a {self._token_member}; the tokens of a {self.kind.name.lower()} are the operator's own."
            )
        configuration, called = self.configuration()
        given = request_of(
            self.kind.service,
            self.kind.starts,
            self.config,
            {**called, **(renamed or {})},
            execution_role_arn=self.execution_role_arn,
            name=self.name,
            tags=self.tags,
            **configuration,
            **parameters,
        )
        return {**given, **self.ownership(context, given)}


class OverridingSparkConnectServerOperator(StartingSparkConnectServerOperator):
    """Base of those whose Spark properties are one part of the API's ``configurationOverrides``."""

    configurations: ClassVar[str]
    """The member of ``configurationOverrides`` that holds Spark's properties."""

    template_fields: Sequence[str] = (*StartingSparkConnectServerOperator.template_fields, "configuration_overrides")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **StartingSparkConnectServerOperator.template_fields_renderers,
        "configuration_overrides": "json",
    }

    def __init__(
        self, *, execution_role_arn: str, configuration_overrides: Structure | None = None, **kwargs: Any
    ) -> None:
        super().__init__(execution_role_arn=execution_role_arn, **kwargs)
        self.configuration_overrides = configuration_overrides

    def configuration(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The configurationOverrides.

        :raises ConfigurationError: they are given twice
        """
        if self.runtime_configuration is None:
            return {"configuration_overrides": self.configuration_overrides}, {}
        if self.configuration_overrides is not None:
            raise ConfigurationError("Give `runtime_configuration` or `configuration_overrides`, not both.")
        overrides = {self.configurations: self.classifications()}
        return {"configuration_overrides": overrides}, {"configuration_overrides": "runtime_configuration"}

    def given(self, context: Context, renamed: Mapping[str, str] | None = None, **parameters: Any) -> dict[str, Any]:
        """As of every other, with the role, without which there is none.

        :raises ConfigurationError: it is missing
        """
        given = super().given(context, renamed, **parameters)
        require(given, "execution_role_arn")
        return given


@contextmanager
def wrapped(start: Any, end_class: type[Any], end: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[Any]:
    """Wrap tasks into a setup and a teardown.

    :param start: the setup
    :param end_class: operator of the teardown
    :param end: its parameters; those of the connection are taken from ``parameters`` where it has none
    :param parameters: of the setup
    :return: the setup's result for the tasks in the block
    """
    connection = {name: parameters[name] for name in _CONNECTION if name in parameters}
    with end_class(**{**connection, **end}).as_teardown(setups=start):
        yield start.output
