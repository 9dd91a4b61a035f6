"""The hook of Spark Connect: a Spark session in Python, over the tunnel to a session or a managed endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext.aws.connect_access import spark_connect_kind
from airflow_emrs_ext.exceptions import EmrError
from airflow_emrs_ext.hooks.connect_tunnel import ConnectTunnel, require
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.resources import EndableKind
from airflow_emrs_ext.shared.states import State

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class EmrServerlessSparkConnectHook(EmrServerlessHook):
    """Work in a session of EMR Serverless or EMR on EC2, or in a managed endpoint of EMR on EKS, with Spark Connect.

    The token that the service asks for stays in the memory of this process; it is renewed before it expires, also while
    a statement runs. Takes the parameters of :class:`~airflow_emrs_ext.hooks.serverless.EmrServerlessHook`.
    """

    hook_name = "Amazon EMR Serverless (Spark Connect)"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tunnels: set[ConnectTunnel] = set()

    @staticmethod
    def kind_of(session: Mapping[str, Any]) -> EndableKind[State]:
        """The kind of what can be worked in.

        :param session: reference to a session or to a managed endpoint
        :raises ConfigurationError: it is none of them
        """
        return spark_connect_kind(session)

    def cut(self, error: EmrError) -> None:
        """End all work over this hook at once: calls fail with ``error`` and are not repeated."""
        for tunnel in tuple(self._tunnels):
            tunnel.cut(error)

    @contextmanager
    def tunnel(self, session: Mapping[str, Any]) -> Iterator[ConnectTunnel]:
        """A way to a session for any Spark Connect client, another interpreter's too: it connects to ``tunnel.remote``.

        :param session: reference to a session (``application_id``, ``session_id``) that is STARTED, IDLE or BUSY, or to
            a managed endpoint of EMR on EKS (``virtual_cluster_id``, ``endpoint_id``, perhaps ``execution_role_arn``)
            that is ACTIVE, or to a session of EMR on EC2 (``cluster_id``, ``session_id``, with ``direct`` past the
            proxy, from within its VPC), e.g. the result of the operator that started it
        :raises SessionEnded: the session ended while the block ran, which failed for this reason
        """
        with ConnectTunnel(self, session) as tunnel:
            self._tunnels.add(tunnel)
            try:
                yield tunnel
            except Exception as error:
                if tunnel.ended is None:
                    raise
                raise tunnel.ended from error
            finally:
                self._tunnels.discard(tunnel)

    @contextmanager
    def session(self, session: Mapping[str, Any]) -> Iterator[SparkSession]:
        """A live Spark session, stopped at the end of the block; what it worked in goes on.

        Ordinary PySpark code finds it within the block: ``SparkSession.builder.getOrCreate()``, ``getActiveSession()``,
        ``active()``; of several open at once each thread finds its own. An error that leaves the block is explained in
        the log: where in the user's code, why if it is a known failure, and what to do. A client that is newer than the
        session's Spark is named there, too, and gets the settings without which its ``createDataFrame`` fails.

        :param session: as for :meth:`tunnel`
        :raises SessionEnded: the session ended while the block ran, which failed for this reason
        :raises ConfigurationError: the Spark Connect client is not installed
        """
        require("pyspark.sql.connect.session")
        from pyspark.sql import SparkSession

        from airflow_emrs_ext.hooks.current_session import current
        from airflow_emrs_ext.hooks.newer_client import adjust
        from airflow_emrs_ext.hooks.session_errors import explained

        with self.tunnel(session) as tunnel:
            spark = SparkSession.builder.remote(tunnel.remote).create()
            try:
                adjust(spark, self.log)
                with current(spark, tunnel.remote), explained(self.log):
                    yield spark
            finally:
                spark.stop()
