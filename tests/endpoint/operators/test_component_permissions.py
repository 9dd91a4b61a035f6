"""The policies of docs/guides/permissions-by-component.md: each component makes all the calls that its policy allows.

A component makes no others either: what it is refused is said in the log, or fails what it does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.local.testing import LocalEmr
from tests import running
from tests.endpoint.operators.components import EKS_TRIGGERER, TRIGGERER, eks_pages, serverless_pages
from tests.endpoint.operators.permissions import SCENES, Place
from tests.endpoint.operators.test_permissions import EVERYTHING, Said, actions_of, make_place, said

__all__ = ["said"]

pytestmark = pytest.mark.airflow

PAGE = (Path(__file__).parents[3] / "docs" / "guides" / "permissions-by-component.md").read_text()
POLICIES: dict[str, dict[str, Any]] = {
    name: json.loads(text)
    for name, text in re.findall(r"\(components-([a-z-]+)\)=\n.*?```json\n(.*?)```", PAGE, flags=re.DOTALL)
}
# Checked by the endpoint; of other services it reads no statements.
CHECKED = ("emr-serverless:", "emr-containers:", "elasticmapreduce:", "iam:")
PREFIXES = {"emr": "elasticmapreduce"}
# What a call needs beside the action of its own name.
STARTS = {"StartJobRun", "StartSession", "CreateManagedEndpoint"}

Play = Callable[[Place], Any]


def allowed(component: str) -> set[str]:
    actions = (action for one in POLICIES[component]["Statement"] for action in actions_of(one))
    return {action for action in actions if action.startswith(CHECKED)}


def key_of(component: str) -> str:
    return component.replace("-", "_")


def called(emr: LocalEmr, component: str) -> set[str]:
    """The actions that the calls of a component have needed."""
    actions = set()
    for call in emr.calls():
        if call["accessKeyId"] != key_of(component):
            continue
        service, operation = call["service"], call["operation"]
        actions.add(f"{PREFIXES.get(service, service)}:{operation}")
        if operation in STARTS | {"CreateApplication", "CreateVirtualCluster"}:
            actions.add(f"{service}:TagResource")
        if operation in STARTS and service == "emr-serverless":
            actions.add("iam:PassRole")
    return actions


@pytest.fixture
def play(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch, said: Said) -> Callable[..., dict[str, set[str]]]:
    """Plays scenes, each at a new place, with tasks' workers and triggers under keys of their own; who called what."""
    fire = running.fire

    async def fire_in_triggerer(*trigger: Any) -> Any:
        worker = os.environ["AWS_ACCESS_KEY_ID"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_of(triggerer))
        try:
            return await fire(*trigger)
        finally:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", worker)

    monkeypatch.setattr(running, "fire", fire_in_triggerer)
    triggerer = ""

    def play_all(scenes: list[Play], **components: str) -> dict[str, set[str]]:
        nonlocal triggerer
        triggerer = components.get("triggerer", "")
        found: dict[str, set[str]] = {one: set() for one in components.values()}
        for scene in scenes:
            emr.reset()
            place = make_place(emr)
            callers = {
                key_of(one): {"arn": f"arn:aws:iam::123456789012:user/{one}", "policy": POLICIES[one]} for one in found
            }
            emr.set_callers({"test": EVERYTHING, **callers})
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_of(next(iter(components.values()))))
            scene(place)
            for one, actions in found.items():
                actions |= called(emr, one)
        assert "AccessDenied" not in said()
        return found

    monkeypatch.setenv("AIRFLOW__EMRS_EXT__ACCESS_PATIENCE", "0")
    return play_all


def scenes_of(worker: str) -> list[Play]:
    is_eks = worker.startswith("eks-")
    return [
        scene.play
        for scene in SCENES
        if scene.section.startswith("eks-") is is_eks
        and scene.name not in ("dashboard", "deferrable")
        # A sweep of Airflow 2 asks its database.
        and (AIRFLOW_3 or "sweep" not in scene.section)
    ]


@pytest.mark.skipif(not AIRFLOW_3, reason="sweeps need a database")
@pytest.mark.parametrize("worker", ["worker", "eks-worker"])
def test_a_worker(worker: str, play: Callable[..., dict[str, set[str]]]) -> None:
    assert play(scenes_of(worker), worker=worker) == {worker: allowed(worker)}


@pytest.mark.parametrize("prefix", ["", "eks-"])
def test_a_triggerer(prefix: str, play: Callable[..., dict[str, set[str]]]) -> None:
    worker, triggerer = f"{prefix}worker", f"{prefix}triggerer"
    found = play(EKS_TRIGGERER if prefix else TRIGGERER, worker=worker, triggerer=triggerer)
    assert found[triggerer] == allowed(triggerer)


@pytest.mark.parametrize(("server", "pages"), [("web-server", serverless_pages), ("eks-web-server", eks_pages)])
def test_a_web_server(server: str, pages: Play, play: Callable[..., dict[str, set[str]]]) -> None:
    assert play([pages], server=server) == {server: allowed(server)}


@pytest.mark.parametrize("prefix", ["", "eks-"])
def test_the_complete_policy_is_that_of_all_components(prefix: str) -> None:
    components = [f"{prefix}{name}" for name in ("worker", "triggerer", "web-server")]
    assert allowed(f"{prefix}complete") == {action for one in components for action in allowed(one)}
