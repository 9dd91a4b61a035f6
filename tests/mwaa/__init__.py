"""What the images of Amazon MWAA have: a folder for each, with names and versions of three kinds.

``image.txt`` is what is installed, from the bill of materials in the public repository of the images,
``constraints.txt`` what ``requirements.txt`` is installed under unless it names constraints of its own, and
``essential.txt`` what nothing may override. All are of 2026-08-20.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGES = tuple(sorted(folder.name for folder in Path(__file__).parent.iterdir() if (folder / "image.txt").is_file()))

NEEDS_A_COMPILER = {"psycopg2", "pycurl"}
"""What an image has and no index has wheels of: nothing of this package uses them."""

WITHOUT = {"3.0.6": {"pyspark": "no client of Spark 4 goes with this image's grpcio-status and protobuf"}}
"""What a copy of an image's constraints has to leave out for its recipe, with the reason."""

_PIN = re.compile(r"(?P<name>[\w.-]+)(\[[\w,-]+\])?==(?P<version>[^\s;]+)")


def name_of(package: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def pins(text: str) -> dict[str, str]:
    """The versions of the packages that a list pins."""
    return {name_of(found["name"]): found["version"] for found in map(_PIN.match, text.splitlines()) if found}


def image(version: str, kind: str) -> dict[str, str]:
    """What the image of an Airflow has: its ``image``, ``constraints`` or ``essential`` packages."""
    return pins((Path(__file__).parent / version / f"{kind}.txt").read_text(encoding="utf-8"))


def recipe(version: str) -> str:
    """What the documentation tells users of the image to put in their ``requirements.txt``."""
    return (ROOT / "docs" / "mwaa" / f"requirements-{version}.txt").read_text(encoding="utf-8")
