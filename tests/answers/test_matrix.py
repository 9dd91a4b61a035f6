"""Answers that are not the ones that a service gives: nothing is ended for them, nothing is started twice.

The whole matrix takes long and is no part of `make test`: `make test-answers` plays it, and writes its tables.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader, Loader

from airflow_emrs_ext.local.testing import LocalEmr
from tests.answers import amazon
from tests.answers.cases import Case, Record
from tests.answers.matrix import cases_of, modes_of, play_all
from tests.answers.proxy import Lasting, Proxy, proxied
from tests.answers.resources import BUCKET, LOG_GROUP, OPERATIONS, PATIENCE

pytestmark = [pytest.mark.airflow]

FOLDER = Path(__file__).parents[2] / "build" / "answers"
EVERYTHING = [(resource, operation) for resource, operations in OPERATIONS.items() for operation in operations]


@pytest.fixture
def _quick_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the models of the services once: thousands of clients are made, and that is half of what each costs."""
    load_file, list_services = JSONFileLoader.load_file, Loader.list_available_services
    files: dict[str, Any] = {}
    services: dict[tuple[str, ...], list[str]] = {}

    def load_once(self: JSONFileLoader, path: str) -> Any:
        if path not in files:
            files[path] = load_file(self, path)
        return files[path]

    def list_once(self: Loader, type_name: str) -> list[str]:
        key = (type_name, *self.search_paths)
        if key not in services:
            services[key] = list_services(self, type_name)
        return services[key]

    monkeypatch.setattr(JSONFileLoader, "load_file", load_once)
    monkeypatch.setattr(Loader, "list_available_services", list_once)


@pytest.fixture
def proxy(emr: LocalEmr, _quick_clients: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The proxy in front of the endpoint, with the package's patience in seconds."""
    for option in ("PATIENCE", "ACCESS_PATIENCE"):
        monkeypatch.setenv(f"AIRFLOW__EMRS_EXT__{option}", str(PATIENCE))
    # Whatever is not asked through a line of the proxy is an error of the test.
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    emr.client("s3").create_bucket(Bucket=BUCKET)
    emr.client("logs").create_log_group(logGroupName=LOG_GROUP)
    with proxied(emr.url) as proxy:
        yield proxy
    for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_ANSWERS_")]:
        del os.environ[name]


def problems(records: list[Record]) -> list[str]:
    """What is against the law, a line each."""
    return [
        f"{' | '.join([*one.case.alike, one.case.mode])}: {'; '.join(one.problems)} {json.dumps(one.tries)}"
        for one in records
        if one.problems
    ]


# A few of each, for `make test`.
FEW: list[tuple[str, str, str, Lasting]] = [
    ("job run", "get", "unknown state", "for ever"),
    ("job run", "get", "half the JSON", "for ever"),
    ("job run", "get", "a body shorter than its length", "for ever"),
    ("job run", "get", "103 first", "for a while"),
    ("job run", "get", "the answer to another request", "for a while"),
    ("job run", "start", "cut after the effect", "for ever"),
    ("job run", "start", "HTML 302", "for ever"),
    ("job run", "list", "a next page for ever", "for a while"),
    ("job run", "list of many", "unknown state in every entry", "for a while"),
    ("job run", "cancel", "AccessDeniedException", "for a while"),
    ("job run", "report", "no UTF-8", "for ever"),
    ("job run", "report", "a next page for ever", "for a while"),
    ("job run", "events", "an event with an unknown state", "for ever"),
    ("session", "get", "HTML 200", "for ever"),
    ("session", "start", "ExpiredTokenException", "for a while"),
    ("EKS job run", "get", "no createdAt", "for ever"),
    ("EKS job run", "list", "HTML 407", "for a while"),
]


@pytest.mark.timeout(400)
def test_a_few_end_nothing(emr: LocalEmr, proxy: Proxy) -> None:
    cases = [Case(*one, mode) for one in FEW for mode in modes_of(one[1], one[0])]
    # Each makes clients: what all of them take together is not to be a case's patience.
    assert problems(play_all(emr, proxy, cases, at_once=8)) == []


@pytest.mark.answers
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("resource", "operation"), EVERYTHING)
def test_nothing_is_ended_doubled_or_told_otherwise(emr: LocalEmr, proxy: Proxy, resource: str, operation: str) -> None:
    records = play_all(emr, proxy, cases_of(resource, operation, _chosen_kinds()))
    _write(records, resource, operation)
    assert problems(records) == []


@pytest.mark.answers
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("operation", amazon.OPERATIONS)
@pytest.mark.parametrize("resource", amazon.AMAZON)
def test_what_the_amazon_provider_does_is_recorded(emr: LocalEmr, proxy: Proxy, resource: str, operation: str) -> None:
    cases = cases_of(resource, operation, _chosen_kinds())
    # As many as have made their clients before their answers have been wrong for long enough.
    records = play_all(emr, proxy, cases, amazon.AMAZON, at_once=60)
    _write(records, resource, operation)
    assert [one.case for one in records if any(said.startswith("not played") for said in one.problems)] == []


def _write(records: list[Record], resource: str, operation: str) -> None:
    """Keep what was found, beside what was found of other kinds before."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{resource}-{operation}.json".replace(" ", "-").replace(",", "")
    kinds = {record.case.kind for record in records}
    before = json.loads(file.read_text()) if file.exists() else []
    lines = [one for one in before if one["kind"] not in kinds] + [record.as_dict() for record in records]
    file.write_text(json.dumps(lines, indent=1))


def _chosen_kinds() -> list[str] | None:
    """Those of `EMRS_ANSWERS_KINDS`, which spares hours where one of them is of interest."""
    given = os.environ.get("EMRS_ANSWERS_KINDS", "")
    return given.split(";") if given else None
