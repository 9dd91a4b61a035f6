"""The operator that runs SQL in a session."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext._compat import Context, as_xcoms
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.operators._base.in_session import WorkingOperator
from airflow_emrs_ext.operators._base.operator import whole_number
from airflow_emrs_ext.operators._base.sql_statements import brief, split_statements, to_json

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class EmrServerlessSparkSqlOperator(WorkingOperator):
    """Run SQL statements in an EMR Serverless session, one after the other (GetSessionEndpoint).

    The rows of the last statement are the result, or are written to a table or a path. The statements share one Spark
    session: temporary views and settings of one are there for the next.

    :param sql: one or more statements separated by semicolons, the path of a ``.sql`` file, or a list of either;
        templated
    :param parameters: values for ``:name`` markers as a mapping, or for ``?`` markers of a single statement as a list;
        Spark takes them as values, never as text; templated
    :param row_limit: how many rows of a statement are fetched at most; default 1000, 0: none
    :param output_table: table to write the last statement's rows to, all of them, instead of fetching them; templated
    :param output_path: path to write them to instead, e.g. ``s3://bucket/folder``; templated
    :param output_format: format of a path (default ``parquet``) or of a new table (default: Spark's)
    :param output_mode: what is done about what is there: ``error`` (default), ``append``, ``overwrite``, ``ignore``
    :param kwargs: ``session``, or ``application_id`` and ``execution_role_arn`` and the others of
        :class:`~airflow_emrs_ext.operators.session.EmrServerlessStartSessionOperator`
    :return: ``application_id``, ``session_id``; ``statements``: for each its ``statement`` in short, the ``seconds``
        it took and the ``row_count`` that was fetched; ``columns`` and ``rows`` of the last one, each row a list in
        the order of the columns; ``truncated``: whether there were more; ``output``: the table or path
    :raises SessionEnded: the session ended before the statements did
    """

    template_fields: Sequence[str] = (
        *WorkingOperator.template_fields,
        "sql",
        "parameters",
        "row_limit",
        "output_table",
        "output_path",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {  # noqa: RUF012 - Airflow declares it as an instance attribute
        **WorkingOperator.template_fields_renderers,
        "sql": "sql",
        "parameters": "json",
    }

    def __init__(
        self,
        *,
        sql: str | Sequence[str],
        parameters: dict[str, Any] | list[Any] | None = None,
        row_limit: int = 1000,
        output_table: str | None = None,
        output_path: str | None = None,
        output_format: str | None = None,
        output_mode: str = "error",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.parameters = parameters
        self.row_limit = row_limit
        self.output_table = output_table
        self.output_path = output_path
        self.output_format = output_format
        self.output_mode = output_mode

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the statements."""
        texts = [self.sql] if isinstance(self.sql, str) else self.sql
        statements = [statement for text in texts for statement in split_statements(text)]
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
