"""``python -m tests.matrix.newest``: resolve the package with the newest of everything, whatever bounds it from above.

No upper bound of this package counts, and none that aiobotocore has of botocore. Says what is newer than in the lock of
the newest leg, which is what a failure of the tests then comes from.
"""

from __future__ import annotations

import subprocess
import sys

import tomllib

from tests.mwaa import ROOT, pins

BUILD = ROOT / "build" / "newest"
UNBOUND = ("boto3", "botocore")
"""Other packages bound these, to versions that have been tried there."""


def unbound(requirement: str) -> str:
    """A requirement without what bounds it from above."""
    from packaging.requirements import Requirement

    read = Requirement(requirement)
    lowest = [f"{one.operator}{one.version}" for one in read.specifier if one.operator in (">=", ">")]
    extras = f"[{','.join(sorted(read.extras))}]" if read.extras else ""
    return f"{read.name}{extras}{','.join(lowest)}{f'; {read.marker}' if read.marker else ''}"


def main(python: str) -> None:
    """Write ``build/newest/lock.txt``.

    :param python: the interpreter for which it is
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    ours = [*project["dependencies"], *extras["local"], *extras["dev"]]
    wanted = [unbound(one) for one in ours if not one.startswith("airflow-emrs-ext")]
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "wanted.in").write_text("\n".join([*wanted, *UNBOUND]) + "\n", encoding="utf-8")
    (BUILD / "overrides.in").write_text("\n".join(UNBOUND) + "\n", encoding="utf-8")
    command = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--upgrade", "--python", python]
    command += ["--override", "build/newest/overrides.in", "--output-file", "build/newest/lock.txt"]
    subprocess.run([*command, "build/newest/wanted.in"], cwd=ROOT, check=True)
    locked = pins((ROOT / "tests" / "locks" / f"{_newest_leg()}.txt").read_text(encoding="utf-8"))
    for name, pin in pins((BUILD / "lock.txt").read_text(encoding="utf-8")).items():
        if locked.get(name) != pin:
            print(f"  {name:<48} {locked.get(name, '-'):<16} {pin}")


def _newest_leg() -> str:
    legs = [path.stem for path in (ROOT / "tests" / "locks").glob("airflow-*.txt") if path.stem[-2] != "b"]
    return max(legs, key=lambda leg: [int(part) for part in leg.partition("-")[2].split(".")])


if __name__ == "__main__":
    main(*sys.argv[1:])
