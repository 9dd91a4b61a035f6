"""How the web server reaches AWS: with a task's connection, and without making anybody else wait."""

from __future__ import annotations

from typing import Any

from botocore.config import Config

from airflow_emrs_ext.core.lockless import lockless_property
from airflow_emrs_ext.hooks.base import EmrHook

READ_SECONDS = 4
"""How long one call waits for its answer."""

# Whoever clicks is not to wait as long as a task may, whatever the connection says; nor is a thread. The calls to STS
# that a role costs have the same limits.
_IN_SECONDS = Config(
    connect_timeout=2, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1, "mode": "standard"}
)


class PageHook(EmrHook):
    """A hook that holds no lock while it reads its connection, asks for credentials or makes a client.

    :param more: of the configuration of its clients, beside what the connection says
    :param kwargs: of :class:`~airflow_emrs_ext.hooks.base.EmrHook`
    """

    def __init__(self, *args: Any, more: Config | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._more = more or Config()

    @lockless_property
    def conn_config(self) -> Any:
        """The connection, with this page's own time limits."""
        wrapper: Any = super().conn_config
        wrapper.botocore_config = (wrapper.botocore_config or Config()).merge(_IN_SECONDS).merge(self._more)
        return wrapper

    def client(self, service: str) -> Any:
        """A new client of a service."""
        return self._make_client(service, asynchronous=False)
