"""What operators and sensors are declared with, so that a DAG file that uses them imports no boto3 and no procedure.

A worker needs much more, and imports it when a task runs.
"""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from airflow_emrs_ext.hooks.base import EmrHook
    from airflow_emrs_ext.triggers.workflow import WorkflowTrigger

HookT = TypeVar("HookT", bound="EmrHook")


class _Later:
    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return getattr(import_module(self.module), self.name)


def later(module: str, name: str) -> Any:
    """A class attribute that is imported when it is first looked at.

    :param module: where it is, below this package
    :param name: what it is called there
    """
    return _Later(f"airflow_emrs_ext.{module}", name)


def aws_template_fields(*names: str) -> tuple[str, ...]:
    """The template fields of an operator or sensor: those of the connection, and ``names``."""
    return tuple(sorted({"aws_conn_id", "region_name", "verify", *names}))


class HookUser(Generic[HookT]):
    """What has an AWS connection, and a hook that uses it.

    The parameters are those of the Amazon provider's operators, whose base classes import boto3.
    """

    aws_hook_class: type[HookT]
    aws_conn_id: str | None
    region_name: str | None
    verify: bool | str | None
    botocore_config: dict[str, Any] | None

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": self.botocore_config,
        }

    @cached_property
    def hook(self) -> HookT:
        """The hook, made when a task first needs it."""
        return self.aws_hook_class(**self._hook_parameters)

    def _trigger(self, **parameters: Any) -> WorkflowTrigger:
        """A trigger with the same connection.

        :param parameters: the others of :class:`~airflow_emrs_ext.triggers.workflow.WorkflowTrigger`
        """
        from airflow_emrs_ext.triggers.workflow import WorkflowTrigger

        return WorkflowTrigger(hook=self._hook_parameters, **parameters)
