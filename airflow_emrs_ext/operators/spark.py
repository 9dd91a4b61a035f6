"""The operator that runs SQL in a session."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_emrs_ext._compat import Context, as_xcoms
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.operators._base.connection import passed_on
from airflow_emrs_ext.operators._base.parameters import whole_number
from airflow_emrs_ext.operators._base.spark_connect_server import Structure
from airflow_emrs_ext.operators._base.sql_statements import brief, split_statements, to_json
from airflow_emrs_ext.operators.in_session import InSessionOperator

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import OperatorArgs


class EmrServerlessSparkSqlOperator(InSessionOperator):
    """Run SQL statements in an EMR Serverless session, one after the other (GetSessionEndpoint).

    The rows of the last statement are the result, or are written to a table or a path. The statements share one Spark
    session: temporary views and settings of one are there for the next.

    :param sql: one or more statements separated by semicolons, the path of a ``.sql`` file (from the folder of the DAG
        file, or from the DAG's ``template_searchpath``), or a list of either; templated
    :param split: whether a text may have several statements (default); ``False``: each is sent as it is, for what only
        a newer Spark can take apart
    :param parameters: values for ``:name`` markers as a mapping, or for ``?`` markers of a single statement as a list;
        Spark takes them as values, never as text; templated
    :param row_limit: how many rows of a statement are fetched at most; default 1000, 0: none
    :param output_table: table to write the last statement's rows to, all of them, instead of fetching them; templated
    :param output_path: path to write them to instead, e.g. ``s3://bucket/folder``; templated
    :param output_format: format of a path (default ``parquet``) or of a new table (default: Spark's)
    :param output_mode: what is done about what is there: ``error`` (default), ``append``, ``overwrite``, ``ignore``
    :param session: the session to work in: the result of the operator that started it, or a mapping with
        ``application_id`` and ``session_id``; or a managed endpoint of EMR on EKS, by ``virtual_cluster_id`` and
        ``endpoint_id``, or a session of EMR on EC2, by ``cluster_id`` and ``session_id``. It goes on after the task.
        Without it the task starts a session of its own, which ends with the task however that ends
    :param application_id: of the application of the task's own session
    :param execution_role_arn: ARN of the IAM role that the task's own session assumes
    :param idle_timeout_minutes: the service terminates the session when nothing has used it for so long; default 15
    :param name: of the session; default ``<dag_id>.<task_id>``, with the index of a mapped task
    :param runtime_configuration: Spark properties ``{"spark.executor.cores": 2}``, or a list of configurations in the
        API's own form ``[{"classification": "spark-defaults", "properties": {…}}]``
    :param configuration_overrides: the whole structure instead: ``{"runtimeConfiguration": […]}``
    :param tags: of the session, beside those that name DAG, run and task (``[emrs_ext] default_tags``)
    :param config: further members of StartSession in the API's own form, for what has no parameter here
    :param reattach: go on with the session that an earlier try of the task has started, as after the loss of a worker;
        ``False``: terminate that and start another
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
    :param notification_queue: URL of the SQS queue that tells a deferred task of changes of state; an empty one: none;
        default ``[emrs_ext] notification_queue``
    :param end_from_trigger: let the trigger end a deferred task that succeeds, so that no worker is started; takes
        Airflow 3.3. A worker ends the task as ever, and its log says why, where anything would be lost, such as
        callbacks, listeners and outlets. Default ``False``
    :return: :class:`~airflow_emrs_ext.results.SqlResult`
    :raises SessionEnded: the session ended before the statements did
    """

    template_fields: Sequence[str] = (
        *InSessionOperator.template_fields,
        "sql",
        "parameters",
        "row_limit",
        "output_table",
        "output_path",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **InSessionOperator.template_fields_renderers,
        "sql": "sql",
        "parameters": "json",
    }

    def __init__(
        self,
        *,
        sql: str | Sequence[str],
        split: bool = True,
        parameters: dict[str, Any] | list[Any] | None = None,
        row_limit: int = 1000,
        output_table: str | None = None,
        output_path: str | None = None,
        output_format: str | None = None,
        output_mode: str = "error",
        session: Any = None,
        application_id: Any = None,
        execution_role_arn: str = "",
        idle_timeout_minutes: int | None = None,
        name: str | None = None,
        runtime_configuration: Structure | Sequence[Structure] | None = None,
        configuration_overrides: Structure | None = None,
        tags: Mapping[str, str] | None = None,
        config: Structure | None = None,
        reattach: bool = True,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        wait_timeout: timedelta | float | None = None,
        waiter_max_attempts: int | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(
            **passed_on(
                locals(),
                "sql",
                "split",
                "parameters",
                "row_limit",
                "output_table",
                "output_path",
                "output_format",
                "output_mode",
            )
        )
        self.sql = sql
        self.split = split
        self.parameters = parameters
        self.row_limit = row_limit
        self.output_table = output_table
        self.output_path = output_path
        self.output_format = output_format
        self.output_mode = output_mode

    def execute(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Run the statements."""
        texts = [self.sql] if isinstance(self.sql, str) else self.sql
        statements = [statement for text in texts for statement in (split_statements(text) if self.split else [text])]
        if not statements:
            raise ConfigurationError("`sql` has no statement.")
        if self.output_table and self.output_path:
            raise ConfigurationError("Give `output_table` or `output_path`, not both.")
        if len(statements) > 1 and isinstance(self.parameters, list):
            raise ConfigurationError(
                f"`parameters` is a list and `sql` has {len(statements)} statements; give a mapping and :name markers."
            )
        limit = whole_number(self.row_limit, "row_limit") or 0
        with (
            self.ends_at_kill(),
            self.session_to_work_in(context) as ids,
            self.hook.session(ids) as spark,
        ):
            return as_xcoms(self, {**ids, **self._run_statements(spark, statements, limit)})

    def _run_statements(self, spark: SparkSession, statements: Sequence[str], limit: int) -> dict[str, Any]:
        done: list[dict[str, Any]] = []
        result: dict[str, Any] = {}
        for number, statement in enumerate(statements, 1):
            self.log.info("Statement %d of %d: %s", number, len(statements), brief(statement))
            began = time.monotonic()
            # Spark takes no parameters for some statements, not even unused ones.
            frame = spark.sql(statement, self.parameters) if self.parameters else spark.sql(statement)
            if number == len(statements) and (self.output_table or self.output_path):
                result = {"columns": frame.columns, "rows": [], "truncated": False, "output": self._write(frame)}
            else:
                result = {**_fetch(frame, limit), "output": None}
            seconds = round(time.monotonic() - began, 3)
            done.append({"statement": brief(statement), "seconds": seconds, "row_count": len(result["rows"])})
            more = ", there are more" if result["truncated"] else ""
            self.log.info(
                "Statement %d of %d: %.1f s, %s",
                number,
                len(statements),
                seconds,
                f"written to {result['output']}" if result["output"] else f"{len(result['rows'])} rows{more}",
            )
        return {"statements": done, **result}

    def _write(self, frame: DataFrame) -> str:
        writer = frame.write.mode(self.output_mode)
        if self.output_path:
            writer.format(self.output_format or "parquet").save(self.output_path)
            return self.output_path
        assert self.output_table
        (writer.format(self.output_format) if self.output_format else writer).saveAsTable(self.output_table)
        return self.output_table


def _fetch(frame: DataFrame, limit: int) -> dict[str, Any]:
    columns = frame.columns
    # Commands have run already and have no columns; of a query one row more tells whether there are more.
    rows = frame.limit(limit + 1).collect() if columns and limit else []
    types = [field.dataType for field in frame.schema] if rows else []
    return {
        "columns": columns,
        "rows": [[to_json(*pair) for pair in zip(row, types, strict=True)] for row in rows[:limit]],
        "truncated": len(rows) > limit,
    }
