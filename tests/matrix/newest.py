"""``python -m tests.matrix.newest LEG PYTHON``: resolve the package with the newest of everything.

No upper bound of this package counts, and none that aiobotocore has of botocore. Says what is newer than in the lock of
the newest leg, which is what a failure of the tests then comes from.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires

from packaging.requirements import Requirement

from tests.mwaa import ROOT, pins

BUILD = ROOT / "build" / "newest"
UNBOUND = ("boto3", "botocore")
"""Other packages bound these, to versions that have been tried there."""


def unbound(requirement: Requirement) -> str:
    """A requirement without what bounds it from above."""
    lowest = [f"{one.operator}{one.version}" for one in requirement.specifier if one.operator in (">=", ">")]
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{','.join(lowest)}"


def main(leg: str, python: str) -> None:
    """Write ``build/newest/lock.txt``.

    :param leg: the Airflow version with whose lock it is compared
    :param python: the interpreter for which it is
    """
    ours = [Requirement(one) for one in requires("airflow-emrs-ext") or []]
    wanted = [
        unbound(one)
        for one in ours
        if one.name != "airflow-emrs-ext"
        and (one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("local", "dev")))
    ]
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "wanted.in").write_text("\n".join([*wanted, *UNBOUND]) + "\n", encoding="utf-8")
    (BUILD / "overrides.in").write_text("\n".join(UNBOUND) + "\n", encoding="utf-8")
    command = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--upgrade", "--python", python]
    command += ["--override", "build/newest/overrides.in", "--output-file", "build/newest/lock.txt"]
    subprocess.run([*command, "build/newest/wanted.in"], cwd=ROOT, check=True)
    locked = pins((ROOT / "tests" / "locks" / f"airflow-{leg}.txt").read_text(encoding="utf-8"))
    for name, pin in pins((BUILD / "lock.txt").read_text(encoding="utf-8")).items():
        if locked.get(name) != pin:
            print(f"  {name:<48} {locked.get(name, '-'):<16} {pin}")


if __name__ == "__main__":
    main(*sys.argv[1:])
