"""Compare the rendered reference with the code: every public operator, sensor and hook, with all of its parameters.

python docs/check_reference.py docs/_build/html
"""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import airflow_emrs_ext

_ENTRY = re.compile(r'<dt class="sig sig-object py" id="(airflow_emrs_ext[\w.]+)">')
_PARAMETER = re.compile(r"<strong>(\w+)</strong>")


def documented(folder: Path) -> dict[str, set[str]]:
    """The parameters that the pages in a folder have of each class, method and function, by its full name."""
    found: dict[str, set[str]] = {}
    for page in folder.rglob("*.html"):
        _, *parts = _ENTRY.split(page.read_text(encoding="utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            found[name] = set(_PARAMETER.findall(text))
    return found


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """What users construct and call, by its full name."""
    for folder in ("operators", "sensors", "hooks"):
        for module in pkgutil.iter_modules([f"{airflow_emrs_ext.__path__[0]}/{folder}"]):
            if module.name.startswith("_"):
                continue
            for name, one in vars(import_module(f"airflow_emrs_ext.{folder}.{module.name}")).items():
                if not (name.startswith("Emr") and inspect.isclass(one)):
                    continue
                if one.__module__.endswith(f"{folder}.{module.name}"):
                    # A hook takes what the Amazon provider's takes; its methods are its own.
                    yield from [(f"{one.__module__}.{name}", one)] if folder != "hooks" else _methods(one)


def _methods(hook: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, method in vars(hook).items():
        if inspect.isfunction(method) and re.search(r"\(\w+\)", (method.__doc__ or "").split("\n")[0]):
            yield f"{hook.__module__}.{hook.__name__}.{name}", method


def main() -> int:
    """Say what is missing; the exit code says whether anything is."""
    pages, checked, missing = documented(Path(sys.argv[1])), 0, []
    for name, one in public():
        parameters = set(inspect.signature(one).parameters) - {"self", "kwargs"}
        checked += 1
        if name not in pages:
            missing.append(name)
        else:
            missing += [f"{name}: {parameter}" for parameter in sorted(parameters - pages[name])]
    print(f"{checked} operators, sensors and methods of hooks, {len(missing)} parameters missing")
    for name in missing:
        print(name)
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
