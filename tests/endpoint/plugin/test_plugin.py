"""What the plugin costs, and changes in, the components that are no web server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interpreters import Run, interpreter

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("plugin")]

WITHOUT_FRAMEWORKS = """
import sys
before = set(sys.modules)
# As on a worker that has neither; Airflow 2 itself uses Flask everywhere.
sys.modules.update({name: None for name in ("fastapi", "starlette") if name not in before})
from airflow_emrs_ext.plugin import EmrExtPlugin
assert EmrExtPlugin.fastapi_apps or EmrExtPlugin.flask_blueprints
added = {name for name in set(sys.modules) - before if sys.modules[name] is not None}
heavy = ("boto3", "botocore", "airflow.providers.", "airflow_emrs_ext.hooks", "airflow_emrs_ext.plugin.views")
print(*sorted(name for name in added if name.startswith(heavy)))
"""


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """What runs in an Airflow that has not looked for its plugins yet."""
    with interpreter("import airflow.plugins_manager") as run:
        own = run("import sys; print(*(name for name in sys.modules if name.startswith('airflow_emrs_ext.')))")
        # Airflow reads what the package says of itself.
        assert own[-1].split() in ([], ["airflow_emrs_ext.provider_info"])
        yield run


LISTENERS = """
from airflow_emrs_ext.plugin import EmrExtPlugin
print(len(EmrExtPlugin.listeners))
"""


@pytest.mark.parametrize(("component", "listeners"), [("triggerer", 1), ("dag-processor", 0), ("scheduler", 0)])
def test_it_listens_in_the_triggerer_only(run: Run, component: str, listeners: int) -> None:
    """Airflow takes no DAG that has a task with ``end_from_trigger=True`` where anything listens."""
    assert run(LISTENERS, component)[-1] == str(listeners)


STARTING = """
import sys
from airflow_emrs_ext.plugin import listener
listener.on_starting(None)
print("airflow_emrs_ext.triggers.runner" in sys.modules and "airflow_emrs_ext.triggers.recovery" in sys.modules)
"""


@pytest.mark.parametrize(("component", "is_loaded"), [("triggerer", True), ("scheduler", False)])
def test_a_triggerer_imports_when_it_starts_what_a_thread_needs_later(
    run: Run, component: str, is_loaded: bool
) -> None:
    """Two threads that import at once may each find half a module."""
    assert run(STARTING, component)[-1] == str(is_loaded)


def test_whoever_does_not_serve_the_links_loads_nothing_for_them(run: Run) -> None:
    assert "".join(run(WITHOUT_FRAMEWORKS)[-1:]).split() == []
