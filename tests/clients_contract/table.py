"""``python -m tests.clients_contract.table``: what clients of others do on the local endpoint, for the documentation.

``build/contract`` has JUnit reports, as ``make test-contract`` leaves them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

from tests.faults.tables import markdown

REPORTS = Path("build/contract")
TABLE = Path("docs/measurements/contract.md")
AMAZON = "apache-airflow-providers-amazon"
WITH_AIRFLOW = {
    "test_real_clients.test_boto3": ("boto3", "EMR Serverless: job runs, retries, tags, pages"),
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


def driven(case: ElementTree.Element) -> tuple[str, str] | None:
    """The client of a test with its version, and what the test drives of it; ``None``: this package's own."""
    given = {one.get("name", ""): one.get("value", "") for one in case.iter("property")}
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


def main() -> None:
    table = [row for report in sorted(REPORTS.glob("*.xml")) for row in rows(report)]
    TABLE.write_text(f"{markdown([('client', 'driven', 'result'), *table])}\n", encoding="utf-8")
    print(f"{len(table)} rows: {TABLE}")


if __name__ == "__main__":
    main()
