"""``python -m tests.clients_contract.table``: what clients of others do on the local endpoint, and what they call.

``build/contract`` has JUnit reports, as ``make test-contract`` leaves them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import botocore.session

from tests.faults.tables import markdown

REPORTS = Path("build/contract")
TABLE = Path("docs/measurements/contract.md")
OPERATIONS = Path("docs/measurements/conformance.md")
AMAZON = "apache-airflow-providers-amazon"
WITH_AIRFLOW = {
    "test_real_clients.test_boto3": ("boto3", "EMR Serverless: every operation, retries, tags, pages"),
    "test_real_clients.test_aiobotocore": ("aiobotocore", "EMR Serverless: a Hive job run, a refusal"),
    "test_real_clients.test_aws_command_line": ("awscli", "EMR Serverless: a job run, its end, a refusal"),
    "test_real_clients.test_amazon": (AMAZON, "EMR Serverless: operators, jobs that succeed and fail"),
    "test_eks_clients.test_boto3": ("boto3", "EMR on EKS: every operation"),
    "test_eks_clients.test_aws_command_line": ("awscli", "EMR on EKS: a job run, a managed endpoint, a refusal"),
    "test_eks_clients.test_amazon": (AMAZON, "EMR on EKS: operators, sensor and hook, jobs that succeed and fail"),
    "test_tls.test_a_client": ("pyspark", "Spark Connect with TLS at port 443 of a host, where AWS's sample goes"),
    "test_dropin.test_they_succeed[airflow.providers.amazon.aws": (AMAZON, "DAGs with its operators and sensors"),
}
"""The distribution and what is driven, by what the names of tests begin with that ``make test`` runs, too."""

CLIENTS = {
    "boto3": "boto3",
    "aiobotocore": "aiobotocore",
    "awscli": "AWS CLI",
    "@aws-sdk/client-emr-containers": "JavaScript",
    AMAZON: "Amazon provider",
    "dagster-aws": "Dagster",
    "flytekitplugins-awsemrserverless": "Flyte",
    "awswrangler": "awswrangler",
    "emr-cli": "emr-cli",
}
"""Columns of the tables of operations, by distribution."""

SERVICES = {"emr-serverless": "EMR Serverless", "emr-containers": "EMR on EKS"}

# By service and operation, and by column: "" for calls that were answered, the codes of the errors of others.
Called = dict[tuple[str, str], dict[str, dict[str, None]]]


def properties(case: ElementTree.Element) -> dict[str, str]:
    return {one.get("name", ""): one.get("value", "") for one in case.iter("property")}


def driven(case: ElementTree.Element) -> tuple[str, str] | None:
    """The client of a test with its version, and what the test drives of it; ``None``: this package's own."""
    given = properties(case)
    if "driven" in given:
        return given["client"], given["driven"]
    name = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}"
    for beginning, (distribution, what) in WITH_AIRFLOW.items():
        if name.startswith(beginning):
            return f"{distribution} {version(distribution)}", what
    return None


def result(case: ElementTree.Element) -> str:
    skipped = case.find("skipped")
    if skipped is not None:
        return f"skipped: {re.sub(r'^Skipped: ', '', skipped.get('message', ''))}"
    return "passes" if case.find("failure") is None and case.find("error") is None else "fails"


def rows(report: Path) -> Iterator[tuple[str, str, str]]:
    """The rows of a report: client, what was driven, and the results of its tests."""
    results: dict[tuple[str, str], dict[str, None]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        row = driven(case)
        if row is not None:
            results.setdefault(row, {})[result(case)] = None
    for (client, what), seen in results.items():
        yield client, what, ", ".join(seen)


def called(reports: list[Path]) -> Called:
    """What the clients have called in tests that passed."""
    found: Called = {}
    for case in (case for report in reports for case in ElementTree.parse(report).iter("testcase")):
        row, answers = driven(case), json.loads(properties(case).get("called", "{}"))
        if row is None or result(case) != "passes":
            continue
        column = CLIENTS.get(row[0].split()[0])
        for operation, errors in answers.items() if column else ():
            service, _, name = operation.partition(":")
            answered = found.setdefault((service, name), {}).setdefault(str(column), {})
            answered.update(dict.fromkeys(error or "" for error in errors))
    return found


def operations(found: Called) -> Iterator[str]:
    """The tables of the operations, one for each service, and that of the refusals."""
    for service, title in SERVICES.items():
        names = sorted(botocore.session.Session().get_service_model(service).operation_names)
        used = [name for name in CLIENTS.values() if any(name in found.get((service, one), {}) for one in names)]
        rows = [[f"`{one}`", *("●" if "" in found.get((service, one), {}).get(name, {}) else "" for name in used)]
                for one in names]  # fmt: skip
        yield f"### {title}\n\n{markdown([[title, *used], *rows])}"
    refused = [
        [f"`{error}`", f"`{operation}` of {SERVICES[service]}", name]
        for (service, operation), clients in found.items()
        for name, answers in clients.items()
        for error in answers
        if error
    ]
    yield f"### Errors\n\n{markdown([['error', 'operation', 'client'], *sorted(refused)])}"


def main() -> None:
    reports = sorted(REPORTS.glob("*.xml"))
    table = [row for report in reports for row in rows(report)]
    TABLE.write_text(f"{markdown([('client', 'driven', 'result'), *table])}\n", encoding="utf-8")
    print(f"{len(table)} rows: {TABLE}")
    found = called(reports)
    if reports and not found:
        raise SystemExit("No client has called any operation: the tests no longer write down what is called.")
    OPERATIONS.write_text("\n\n".join(operations(found)) + "\n", encoding="utf-8")
    print(f"{len(found)} operations: {OPERATIONS}")


if __name__ == "__main__":
    main()
