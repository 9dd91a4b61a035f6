"""What authors write, rendered as Airflow does: the service is asked for what was meant, or an error says why not."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3, BaseOperator
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.job_spec import (
    configuration_overrides,
    eks_configuration_overrides,
    eks_spark_sql,
    eks_spark_submit,
    hive,
    spark_submit,
)
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests.running import TaskInstance, context_of, execute

if AIRFLOW_3:
    from airflow.sdk import DAG
else:
    from airflow import DAG

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
HOSTILE = "x' --conf spark.executor.instances=50 --conf 'spark.y=1"
# What earlier tasks have returned.
GIVEN: Mapping[str, Any] = {
    "path": "s3://b/in",
    "number": 7,
    "flag": True,
    "word": "nightly",
    "hostile": HOSTILE,
    "quoted": """it's "done" \\ $HOME `x`""",
    "lines": "one\ntwo",
    "nothing": None,
    "empty": "",
    "list": ["--day", "2026-05-01"],
    "conf": {"spark.a": "1", "spark.b": 2},
    "whole": 5.0,
    "half": 0.5,
}
VARIABLES = {"glue_db": "prod_lake", "key": "spark.app.rendered", "hostile": HOSTILE, "days": "[1, 2]"}

Ref = Callable[[str], Any]


@dataclass
class Upstream(TaskInstance):
    """A task instance that pulls what the task ``before`` has returned."""

    pulled: Mapping[str, Any] = field(default_factory=lambda: GIVEN)
    task: Any = None

    def xcom_pull(self, task_ids: Any = None, key: str = "return_value", **_: Any) -> Any:  # type: ignore[override]
        """A member of the result, or all of it."""
        if task_ids not in ("before", ["before"]):
            return None
        return dict(self.pulled) if key == "return_value" else self.pulled.get(key)

    def get_relevant_upstream_map_indexes(self, *_: Any, **__: Any) -> None:
        """Airflow 2 asks for it: no task is mapped."""


class Before(BaseOperator):
    """A task whose result is referred to."""

    def execute(self, context: Any) -> Any:
        """It has been run."""


def pull(key: str) -> str:
    """The template of a member of the result, with quotes of the kind that a shell knows."""
    return f"{{{{ ti.xcom_pull(task_ids='before')['{key}'] }}}}"


@dataclass
class Case:
    """What an author writes.

    :param write: the parameters of the operator, given what makes a reference to a member of an earlier task's result
    :param meant: of the request: words of each command line, arguments, or other members by their path
    :param native: whether the DAG renders templates as Python objects
    :param type: of the application, or ``EKS``
    """

    id: str
    write: Callable[[Ref], Mapping[str, Any]]
    meant: Mapping[str, Any] | str
    native: bool = False
    type: str = "SPARK"


def submitting(*words: str, arguments: list[str] | None = None, entry: str = "s3://b/j.py") -> dict[str, Any]:
    """A request for a Spark application."""
    meant: dict[str, Any] = {"jobDriver.sparkSubmit.entryPoint": entry}
    if words:
        meant["jobDriver.sparkSubmit.sparkSubmitParameters"] = list(words)
    if arguments is not None:
        meant["jobDriver.sparkSubmit.entryPointArguments"] = arguments
    return meant


def conf(**properties: str) -> dict[str, Any]:
    """A request with Spark properties, whose names have dots for double underscores."""
    pairs = [f"{name.replace('__', '.')}={value}" for name, value in properties.items()]
    return submitting(*(word for pair in pairs for word in ("--conf", pair)))


def job(driver: Any, **others: Any) -> Mapping[str, Any]:
    return {"job_driver": driver, **others}


PY = "s3://b/j.py"
BEFORE = "ti.xcom_pull(task_ids='before')"
DEFAULTS = "configurationOverrides.applicationConfiguration"
MONITORING = "configurationOverrides.monitoringConfiguration"
MANAGED = "managedPersistenceMonitoringConfiguration"
SPARK_A = [{"classification": "spark-defaults", "properties": {"spark.a": "7"}}]


def with_conf(**properties: Any) -> Callable[[Ref], Mapping[str, Any]]:
    """A Spark application with properties; a reference stands as the function that makes it."""
    named = {name.replace("__", "."): value for name, value in properties.items()}

    def write(ref: Ref) -> Mapping[str, Any]:
        return job(
            spark_submit(PY, conf={name: value(ref) if callable(value) else value for name, value in named.items()})
        )

    return write


def to(name: str) -> Callable[[Ref], Any]:
    """A reference to a member of the earlier task's result."""
    return lambda ref: ref(name)


CASES = [
    # Quotes of both kinds within templates.
    Case(
        "single quotes in a conf",
        with_conf(spark__db="{{ var.value.get('glue_db', 'dflt') }}"),
        conf(spark__db="prod_lake"),
    ),
    Case(
        "double quotes in a conf",
        with_conf(spark__db='{{ var.value.get("glue_db", "dflt") }}'),
        conf(spark__db="prod_lake"),
    ),
    Case(
        "both quotes, and text around",
        with_conf(spark__x="""a'b"{{ var.value.get("glue_db", 'd') }}"c"""),
        conf(spark__x="""a'b"prod_lake"c"""),
    ),
    Case("a pulled path", with_conf(spark__out=f"{pull('path')}/out"), conf(spark__out="s3://b/in/out")),
    Case(
        "a pulled argument",
        lambda ref: job(spark_submit(PY, ["--in", pull("path")])),
        submitting(arguments=["--in", "s3://b/in"]),
    ),
    Case(
        "a statement",
        lambda ref: job(spark_submit(PY, ["{% if params.on %}yes{% else %}it's no{% endif %}"])),
        submitting(arguments=["it's no"]),
    ),
    Case(
        "a name of a property",
        lambda ref: job(spark_submit(PY, conf={"{{ var.value.get('key') }}": "1", "spark.b": "2"})),
        conf(spark__app__rendered="1", spark__b="2"),
    ),
    Case("an entry point", lambda ref: job(spark_submit(f"{pull('path')}/j.py")), submitting(entry="s3://b/in/j.py")),
    Case(
        "a class",
        lambda ref: job(spark_submit("s3://b/j.jar", class_name="{{ var.value.get('glue_db') }}")),
        submitting("--class", "prod_lake", entry="s3://b/j.jar"),
    ),
    Case(
        "entries of a list",
        lambda ref: job(spark_submit(PY, py_files=["s3://b/{{ var.value.get('glue_db') }}.zip", "s3://b/b.py"])),
        submitting("--py-files", "s3://b/prod_lake.zip,s3://b/b.py"),
    ),
    # References at every depth.
    Case(
        "a reference as an argument",
        lambda ref: job(spark_submit(PY, ["--path", ref("path")])),
        submitting(arguments=["--path", "s3://b/in"]),
    ),
    Case(
        "a reference as all arguments",
        lambda ref: job(spark_submit(PY, ref("list"))),
        submitting(arguments=["--day", "2026-05-01"]),
    ),
    Case("a reference in a conf", with_conf(spark__in=to("path")), conf(spark__in="s3://b/in")),
    Case(
        "a reference as the whole conf",
        lambda ref: job(spark_submit(PY, conf=ref("conf"))),
        conf(spark__a="1", spark__b="2"),
    ),
    Case(
        "a reference in a list",
        lambda ref: job(spark_submit(PY, jars=[ref("path"), "s3://b/x.jar"])),
        submitting("--jars", "s3://b/in,s3://b/x.jar"),
    ),
    Case("a reference as an entry point", lambda ref: job(spark_submit(ref("path"))), submitting(entry="s3://b/in")),
    Case(
        "a reference in the overrides",
        lambda ref: job(
            spark_submit(PY), configuration_overrides=configuration_overrides(spark_defaults={"spark.a": ref("number")})
        ),
        {DEFAULTS: SPARK_A},
    ),
    Case(
        "a reference as the S3 URI of the logs",
        lambda ref: job(spark_submit(PY), configuration_overrides=configuration_overrides(s3_log_uri=ref("path"))),
        {f"{MONITORING}.s3MonitoringConfiguration.logUri": "s3://b/in"},
    ),
    Case("a reference as the name", lambda ref: job(spark_submit(PY), name=ref("word")), {"name": "nightly"}),
    Case("a reference as a tag", lambda ref: job(spark_submit(PY), tags={"n": ref("number")}), {"tags.n": "7"}),
    Case(
        "a reference in config",
        lambda ref: job(spark_submit(PY), config={"executionTimeoutMinutes": ref("whole")}),
        {"executionTimeoutMinutes": 5},
    ),
    # Values that would end a quoting.
    Case("a hostile variable", with_conf(spark__x="{{ var.value.get('hostile') }}"), conf(spark__x=HOSTILE)),
    Case("a hostile result", with_conf(spark__x=to("hostile")), conf(spark__x=HOSTILE)),
    Case("a hostile argument", lambda ref: job(spark_submit(PY, [ref("hostile")])), submitting(arguments=[HOSTILE])),
    Case(
        "a hostile class",
        lambda ref: job(spark_submit(PY, class_name=pull("hostile"))),
        submitting("--class", HOSTILE),
    ),
    Case("quotes and a backslash", with_conf(spark__x=pull("quoted")), conf(spark__x=GIVEN["quoted"])),
    Case("lines", with_conf(spark__x=to("lines")), conf(spark__x="one\ntwo")),
    Case("an empty value", with_conf(spark__x=to("empty")), conf(spark__x="")),
    # Values of other types.
    Case("numbers as arguments", lambda ref: job(spark_submit(PY, [1, 2.5])), submitting(arguments=["1", "2.5"])),
    Case("a flag in a conf", with_conf(spark__x=True), conf(spark__x="true")),
    Case("a number of a task", with_conf(spark__x=to("number")), conf(spark__x="7")),
    Case("a flag of a task", with_conf(spark__x=to("flag")), conf(spark__x="true")),
    Case("None in a conf", with_conf(spark__x=None, spark__y="1"), conf(spark__y="1")),
    Case("nothing in a conf", with_conf(spark__x=to("nothing"), spark__y=1), conf(spark__y="1")),
    Case(
        "one file",
        lambda ref: job(spark_submit(PY, py_files="s3://b/h.py")),
        submitting("--py-files", "s3://b/h.py"),
    ),
    Case(
        "minutes as text",
        lambda ref: job(spark_submit(PY), execution_timeout_minutes="{{ 60 }}"),
        {"executionTimeoutMinutes": 60},
    ),
    Case(
        "minutes that are whole",
        lambda ref: job(spark_submit(PY), execution_timeout_minutes=ref("whole")),
        {"executionTimeoutMinutes": 5},
    ),
    Case(
        "attempts as text",
        lambda ref: job(spark_submit(PY), retry_policy={"maxAttempts": "{{ 3 }}"}),
        {"retryPolicy.maxAttempts": 3},
    ),
    Case(
        "a flag as text",
        lambda ref: job(
            spark_submit(PY),
            configuration_overrides={"monitoringConfiguration": {MANAGED: {"enabled": "{{ 1 == 2 }}"}}},
        ),
        {f"{MONITORING}.{MANAGED}.enabled": False},
    ),
    Case(
        "a driver as JSON",
        lambda ref: job('{"sparkSubmit": {"entryPoint": "s3://b/j.py", "entryPointArguments": [1]}}'),
        submitting(arguments=["1"]),
    ),
    Case(
        "tags as JSON",
        lambda ref: job(spark_submit(PY), tags='{"team": "{{ var.value.get(\'glue_db\') }}"}'),
        {"tags.team": "prod_lake"},
    ),
    # Native rendering.
    Case("a number", lambda ref: job(spark_submit(PY, ["{{ 3 }}"])), submitting(arguments=["3"]), native=True),
    Case("a flag", with_conf(spark__x="{{ True }}"), conf(spark__x="true"), native=True),
    Case(
        "a list",
        lambda ref: job(spark_submit(PY, f"{{{{ {BEFORE}['list'] }}}}")),
        submitting(arguments=["--day", "2026-05-01"]),
        native=True,
    ),
    Case(
        "a mapping",
        lambda ref: job(spark_submit(PY, conf=f"{{{{ {BEFORE}['conf'] }}}}")),
        conf(spark__a="1", spark__b="2"),
        native=True,
    ),
    Case(
        "a mapping that is not native",
        lambda ref: job(spark_submit(PY, conf=f"{{{{ {BEFORE}['conf'] }}}}")),
        conf(spark__a="1", spark__b="2"),
    ),
    Case(
        "a name that is a number",
        lambda ref: job(spark_submit(PY), name="{{ 2026 }}"),
        {"name": "2026"},
        native=True,
    ),
    Case(
        "a tag that is a number",
        lambda ref: job(spark_submit(PY), tags={"year": "{{ 2026 }}"}),
        {"tags.year": "2026"},
        native=True,
    ),
    Case(
        "minutes",
        lambda ref: job(spark_submit(PY), execution_timeout_minutes="{{ 60 }}"),
        {"executionTimeoutMinutes": 60},
        native=True,
    ),
    # Other helpers.
    Case(
        "hive",
        lambda ref: job(
            hive("s3://b/q.sql", hiveconf={"a": "{{ var.value.get('hostile') }}"}, hivevar={"day": ref("quoted")})
        ),
        {"jobDriver.hive.parameters": ["--hiveconf", f"a={HOSTILE}", "--hivevar", f"day={GIVEN['quoted']}"]},
        type="HIVE",
    ),
    Case(
        "eks",
        lambda ref: job(
            eks_spark_submit("local:///j.py", [ref("hostile")], conf={"spark.x": "{{ var.value.get('hostile') }}"})
        ),
        {
            "jobDriver.sparkSubmitJobDriver.entryPointArguments": [HOSTILE],
            "jobDriver.sparkSubmitJobDriver.sparkSubmitParameters": ["--conf", f"spark.x={HOSTILE}"],
        },
        type="EKS",
    ),
    Case(
        "eks sql",
        lambda ref: job(eks_spark_sql("s3://b/q.sql", variables={"day": ref("quoted"), "n": ref("number")})),
        {"jobDriver.sparkSqlJobDriver.sparkSqlParameters": ["--hivevar", f"day={GIVEN['quoted']}", "--hivevar", "n=7"]},
        type="EKS",
    ),
    Case(
        "eks overrides",
        lambda ref: job(
            eks_spark_submit("local:///j.py"),
            configuration_overrides=eks_configuration_overrides(spark_defaults={"spark.a": ref("number")}),
        ),
        {DEFAULTS: SPARK_A},
        type="EKS",
    ),
    # What is not certain is refused.
    Case(
        "an argument that is nothing",
        lambda ref: job(spark_submit(PY, ["--in", ref("nothing")])),
        r"`job_driver\.sparkSubmit\.entryPointArguments\[1\]` is None: .* gave nothing",
    ),
    Case(
        "an argument that is a mapping",
        lambda ref: job(spark_submit(PY, [ref("conf")])),
        r"entryPointArguments\[0\]` is \{.*of type dict; it takes a text\. .*tojson",
    ),
    Case(
        "an argument that is a list",
        lambda ref: job(spark_submit(PY, [ref("list")])),
        r"entryPointArguments\[0\]` is \[.*of type list",
    ),
    Case(
        "a conf that is a list",
        with_conf(spark__x=to("list")),
        r"sparkSubmitParameters\.--conf\.spark\.x` is \[.*of type list; it takes a text",
    ),
    Case(
        "minutes that are not whole",
        lambda ref: job(spark_submit(PY), execution_timeout_minutes=ref("half")),
        r"`execution_timeout_minutes` is 0\.5, of type float; it takes a whole number",
    ),
    Case(
        "minutes that are a word",
        lambda ref: job(spark_submit(PY), execution_timeout_minutes="{{ 'an hour' }}"),
        r"`execution_timeout_minutes` is 'an hour'; it takes a whole number",
    ),
    Case(
        "a driver that is a word",
        lambda ref: job(pull("path")),
        r"`job_driver` is 's3://b/in'; it takes a mapping with `sparkSubmit`, `hive`",
    ),
    Case("a driver that is nothing", lambda ref: job(ref("nothing")), r"`job_driver` is None"),
    Case(
        "tags as a list",
        lambda ref: job(spark_submit(PY), tags=ref("list")),
        r"`tags` is \[.*it takes a mapping of names to values",
    ),
    Case(
        "a jar with a comma",
        lambda ref: job(spark_submit(PY, jars=["{{ 's3://b/a,b.jar' }}", PY])),
        r"sparkSubmitParameters\.--jars\[0\]` is 's3://b/a,b\.jar'; an entry is one value",
    ),
    Case(
        "a name of a property with an equals sign",
        lambda ref: job(spark_submit(PY, conf={"{{ 'a=b' }}": "1"})),
        r"--conf`: 'a=b' cannot be a name",
    ),
    Case(
        "an unknown member",
        lambda ref: job({"sparkSubmit": {"entryPoints": "{{ 's3://b/j.py' }}"}}),
        r"`job_driver\.sparkSubmit\.entryPoints`: .* it is 'entryPoint'",
    ),
    Case(
        "an unknown member of config",
        lambda ref: job(spark_submit(PY), config={"executionTimeoutMinuts": 5}),
        r"`config\.executionTimeoutMinuts`: .* it is 'executionTimeoutMinutes'",
    ),
    Case(
        "a mode in small letters",
        lambda ref: job(spark_submit(PY), mode="{{ 'streaming' }}"),
        r"`mode` is 'streaming'; the service spells it 'STREAMING'",
    ),
    Case(
        "arguments that are a word",
        lambda ref: job(spark_submit(PY, pull("path"))),
        r"`job_driver\.sparkSubmit\.entryPointArguments` is 's3://b/in'; it takes a list",
    ),
]


@pytest.fixture
def place(emr: LocalEmr) -> Callable[[str], dict[str, str]]:
    """Makes what job runs are submitted to, and gives the parameter that names it."""

    def make(type: str) -> dict[str, str]:
        if type == "EKS":
            provider = {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": "jobs"}}}
            made = emr.client("emr-containers").create_virtual_cluster(name="jobs", containerProvider=provider)
            return {"virtual_cluster_id": made["id"], "release_label": "emr-7.9.0-latest"}
        made = emr.client("emr-serverless").create_application(releaseLabel="emr-7.9.0", type=type)
        return {"application_id": made["applicationId"]}

    return make


def asked_for(emr: LocalEmr, result: Mapping[str, str]) -> Mapping[str, Any]:
    """The job run as the service has taken it."""
    if "virtual_cluster_id" in result:
        answer = emr.client("emr-containers").describe_job_run(
            virtualClusterId=result["virtual_cluster_id"], id=result["job_run_id"]
        )
    else:
        answer = emr.client("emr-serverless").get_job_run(
            applicationId=result["application_id"], jobRunId=result["job_run_id"]
        )
    return dict(answer["jobRun"])


def member(structure: Mapping[str, Any], path: str) -> Any:
    """What is at a path of names."""
    found: Any = structure
    for name in path.split("."):
        found = found[name]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id.replace(" ", "_"))
def test_the_service_is_asked_for_what_was_meant(
    emr: LocalEmr, place: Callable[[str], dict[str, str]], case: Case
) -> None:
    if isinstance(case.meant, str):
        with pytest.raises(ConfigurationError, match=case.meant):
            run(case, place)
        assert emr.calls("StartJobRun") == []
        return
    job_run = asked_for(emr, run(case, place))
    for path, meant in case.meant.items():
        found = member(job_run, path)
        if path.endswith("arameters") and isinstance(meant, list):
            found = shlex.split(found)
            # The job run's name is added, and is not the author's.
            while found[-2:-1] == ["--conf"] and found[-1].startswith("spark.app.name="):
                del found[-2:]
        assert found == meant, path


def run(case: Case, place: Callable[[str], dict[str, str]]) -> Any:
    """The result of the task, whose parameters are rendered as Airflow does it."""
    refers = []

    with DAG("a_dag", schedule=None, start_date=datetime(2026, 5, 1), render_template_as_native_obj=case.native) as dag:
        before = Before(task_id="before")

        def reference(name: str) -> Any:
            refers.append(name)
            return before.output[name]

        parameters = {"execution_role_arn": ROLE, "wait_for": "submission", **place(case.type), **case.write(reference)}
        operator_class = EmrContainersStartJobRunOperator if case.type == "EKS" else EmrServerlessStartJobRunOperator
        task = operator_class(task_id="a_task", **parameters)
    assert task.upstream_task_ids == ({"before"} if refers else set())

    ti = Upstream(task=task)
    variables = SimpleNamespace(get=lambda name, default=None: VARIABLES.get(name, default))
    context = {
        **context_of(ti),
        "params": {"on": False},
        "var": SimpleNamespace(value=variables),
        "logical_date": datetime(2026, 5, 1, tzinfo=timezone.utc),
        "dag": dag,
        "run_id": ti.run_id,
        "expanded_ti_count": None,
    }
    rendered = task.prepare_for_execution()
    rendered.render_template_fields(context)

    return execute(rendered, context)
