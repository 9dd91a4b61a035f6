"""The AWS connection of operators and sensors: a DAG file that uses them imports no boto3 and no workflow.

A worker needs much more, and imports it when a task runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.operators._base.checks import check_parameters
from airflow_emrs_ext.operators._base.parameters import id_of, source_of

if TYPE_CHECKING:
    from airflow_emrs_ext.hooks.base import EmrHook
    from airflow_emrs_ext.hooks.containers import EmrContainersHook
    from airflow_emrs_ext.hooks.ec2 import EmrOnEc2Hook
    from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
    from airflow_emrs_ext.triggers.workflow import WorkflowTrigger


def aws_template_fields(*names: str) -> tuple[str, ...]:
    """The template fields of an operator or sensor: those of the connection, and ``names``."""
    return tuple(sorted({"aws_conn_id", "region_name", "verify", *names}))


# What the Amazon provider calls otherwise, or has and this package does another way.
_ELSEWHERE: Mapping[str, str] = {
    "enable_application_ui_links": "the links are always there",
    "job_id": "it is `job_run_id` here",
    "max_polling_attempts": "it is `waiter_max_attempts` here, or `wait_timeout`",
    "openlineage_inject_parent_job_info": "[openlineage] spark_inject_parent_job_info says it",
    "openlineage_inject_transport_info": "[openlineage] spark_inject_transport_info says it",
    "poll_interval": "it is `waiter_delay` here",
    "region": "it is `region_name` here",
}


def refuse_words_of_others(given: Iterable[str]) -> None:
    """Say what a parameter of the Amazon provider's operators is called here.

    :param given: the names of an operator's parameters
    :raises ConfigurationError: one of them is such a word
    """
    for name in given:
        if name in _ELSEWHERE:
            raise ConfigurationError(f"`{name}` is a parameter of the Amazon provider's operators; {_ELSEWHERE[name]}.")


def passed_on(given: Mapping[str, Any], /, *own: str) -> dict[str, Any]:
    """What a constructor hands on to that of its base: all that it was given but its own parameters.

    :param given: its ``locals()``, before it has any but its parameters
    :param own: their names
    :raises ConfigurationError: a value is of a kind that no rendering makes right
    """
    check_parameters(given["self"], given["__class__"], given)
    kept = {name: value for name, value in given.items() if name not in ("self", "kwargs", "__class__", *own)}
    return {**kept, **given["kwargs"]}


class AwsConnectionMixin:
    """What has an AWS connection, and a hook that uses it.

    The parameters are those of the Amazon provider's operators, whose base classes import boto3.

    Among the bases of an operator it comes after the operator: Airflow wraps the constructor that a class inherits if
    the first of its bases has none, and what else is among the bases is passed over then.
    """

    aws_conn_id: str | None
    region_name: str | None
    verify: bool | str | None
    botocore_config: dict[str, Any] | None

    @cached_property
    def hook(self) -> EmrHook:
        """The hook, made when a task first needs it."""
        raise NotImplementedError

    def id_of(self, name: str) -> str:
        """An id that a parameter of its name gives.

        :param name: of the parameter
        :raises ConfigurationError: it gives none
        """
        return id_of(getattr(self, name), name, source_of(self, name))

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": self.botocore_config,
        }

    def _trigger(self, **parameters: Any) -> WorkflowTrigger:
        """A trigger with the same connection.

        :param parameters: the others of :class:`~airflow_emrs_ext.triggers.workflow.WorkflowTrigger`
        """
        from airflow_emrs_ext.triggers.workflow import WorkflowTrigger

        return WorkflowTrigger(hook=self._hook_parameters, **parameters)


class ServerlessMixin(AwsConnectionMixin):
    """What uses EMR Serverless."""

    aws_hook_class: ClassVar[type[EmrServerlessHook] | None] = None
    """The hook of a class of a user's own; default: the service's."""

    @cached_property
    def hook(self) -> EmrServerlessHook:
        """The hook, made when a task first needs it."""
        from airflow_emrs_ext.hooks.serverless import EmrServerlessHook

        return (self.aws_hook_class or EmrServerlessHook)(**self._hook_parameters)


class ContainersMixin(AwsConnectionMixin):
    """What uses EMR on EKS."""

    aws_hook_class: ClassVar[type[EmrContainersHook] | None] = None
    """The hook of a class of a user's own; default: the service's."""

    @cached_property
    def hook(self) -> EmrContainersHook:
        """The hook, made when a task first needs it."""
        from airflow_emrs_ext.hooks.containers import EmrContainersHook

        return (self.aws_hook_class or EmrContainersHook)(**self._hook_parameters)


class Ec2Mixin(AwsConnectionMixin):
    """What uses EMR on EC2."""

    aws_hook_class: ClassVar[type[EmrOnEc2Hook] | None] = None
    """The hook of a class of a user's own; default: the service's."""

    @cached_property
    def hook(self) -> EmrOnEc2Hook:
        """The hook, made when a task first needs it."""
        from airflow_emrs_ext.hooks.ec2 import EmrOnEc2Hook

        return (self.aws_hook_class or EmrOnEc2Hook)(**self._hook_parameters)
