"""``python -m tests.mwaa.resolve VERSION PYTHON``: the lock of an MWAA image with this package as its recipe has it.

The environment has what the image has, and what MWAA adds for ``requirements.txt``: it passes the image's constraints
if the file names none, and those that are essential in any case.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.mwaa import NEEDS_A_COMPILER, ROOT, WITHOUT, image, recipe

BUILD = ROOT / "build" / "mwaa"
PLATFORM = "x86_64-manylinux_2_34"


def main(version: str, python: str) -> None:
    """Write ``tests/locks/mwaa-VERSION.txt``; the wheel is in ``build/dist``."""
    BUILD.mkdir(parents=True, exist_ok=True)
    has = {name: pin for name, pin in image(version, "image").items() if name not in NEEDS_A_COMPILER}
    text = recipe(version).replace("/usr/local/airflow/plugins/", f"{ROOT}/build/dist/")
    text = text.replace("/usr/local/airflow/dags/", f"{BUILD}/")
    constraints = [f"tests/mwaa/{version}/essential.txt"]
    if left_out := WITHOUT.get(version):
        kept = {name: pin for name, pin in image(version, "constraints").items() if name not in left_out}
        _write(f"constraints-{version}-without-{'-'.join(left_out)}.txt", _pinned(kept))
    if "--constraint " not in text:
        constraints.append(f"tests/mwaa/{version}/constraints.txt")
    command = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--upgrade"]
    command += ["--python-version", python, "--python-platform", PLATFORM]
    command += [part for name in constraints for part in ("--constraint", name)]
    # The wheel is what is tested, and is installed when it has been made.
    command += ["--no-emit-package", "airflow-emrs-ext", "--output-file", f"tests/locks/mwaa-{version}.txt"]
    inputs = [_write(f"image-{version}.txt", _pinned(has)), _write(f"requirements-{version}.txt", text)]
    subprocess.run([*command, *inputs, "tests/locks/matrix.in"], cwd=ROOT, check=True)


def _pinned(packages: dict[str, str]) -> str:
    return "".join(f"{name}=={pin}\n" for name, pin in packages.items())


def _write(name: str, text: str) -> Path:
    path = BUILD / name
    path.write_text(text, encoding="utf-8")
    return path


if __name__ == "__main__":
    main(*sys.argv[1:])
