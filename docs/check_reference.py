"""Compare the rendered documentation with the code, and its links with its pages.

Every public name of the package is documented, with all parameters of what can be called and all fields of results.
Every link within the documentation leads to a page that is there, and to a place in it that is there.

python docs/check_reference.py docs/_build/html
"""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import Any, is_typeddict
from urllib.parse import unquote, urlsplit

import airflow_emrs_ext

FOLDERS = ("operators", "sensors", "hooks")
"""Their modules have operators, sensors and hooks, whose names begin with ``Emr`` or ``emr``."""

MODULES = (
    "application_spec",
    "decorators.session",
    "exceptions",
    "job_spec",
    "links.runs",
    "local.testing",
    "notifications",
    "results",
    "spark_conf",
)
"""What is public in them is public: the names of ``__all__``, else what does not begin with an underscore."""

INTERNAL = {
    "airflow_emrs_ext.decorators.session.SessionTaskFunction",  # what type checkers see of a decorated function
    "airflow_emrs_ext.links.runs.LinksOf",
    "airflow_emrs_ext.links.runs.path_of",
    "airflow_emrs_ext.links.runs.show_links",
    "airflow_emrs_ext.notifications.main",
}

_ENTRY = re.compile(r'<dt class="sig sig-object py" id="(airflow_emrs_ext[\w.]+)">')
_PARAMETER = re.compile(r"<strong>\*{0,2}(\w+)</strong>")
_LINK = re.compile(r'<(?:a|img|link|script)\b[^>]*? (?:href|src)="([^"]*)"')
_ID = re.compile(r'\bid="([^"]*)"')


def documented(pages: dict[Path, str]) -> dict[str, set[str]]:
    """The parameters that the pages have of each class, method and function, by its full name."""
    found: dict[str, set[str]] = {}
    for page in pages.values():
        _, *parts = _ENTRY.split(page)
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            found.setdefault(name, set()).update(_PARAMETER.findall(text))
    return found


def public() -> Iterator[tuple[str, Any]]:
    """What users import, construct and call, by its full name."""
    for folder in FOLDERS:
        for found in pkgutil.iter_modules([f"{airflow_emrs_ext.__path__[0]}/{folder}"]):
            if found.name.startswith("_"):
                continue
            module = import_module(f"airflow_emrs_ext.{folder}.{found.name}")
            for name, one in vars(module).items():
                if name.lower().startswith("emr") and getattr(one, "__module__", None) == module.__name__:
                    # A hook takes what the Amazon provider's takes; its methods are its own.
                    yield from [(f"{module.__name__}.{name}", one)] if folder != "hooks" else _methods(one)
    for name in MODULES:
        module = import_module(f"airflow_emrs_ext.{name}")
        for member, one in vars(module).items():
            full = f"{module.__name__}.{member}"
            if full not in INTERNAL and _is_public(module, member, one):
                yield full, one


def _is_public(module: Any, name: str, one: Any) -> bool:
    if hasattr(module, "__all__"):
        return name in module.__all__
    is_own = (inspect.isclass(one) or inspect.isfunction(one)) and one.__module__ == module.__name__
    return is_own and not name.startswith("_")


def _methods(hook: Any) -> Iterator[tuple[str, Any]]:
    for name, method in vars(hook).items():
        if inspect.isfunction(method) and re.search(r"\(\w+\)", (method.__doc__ or "").split("\n")[0]):
            yield f"{hook.__module__}.{hook.__name__}.{name}", method


def undocumented(name: str, one: Any, pages: dict[str, set[str]]) -> list[str]:
    """What the pages lack of a public name."""
    # What a module hands on is documented where it is defined; a type by another name does not know where.
    is_named = inspect.isclass(one) or inspect.isfunction(one)
    member = name.rpartition(".")[2]
    own = (
        f"{one.__module__}.{one.__qualname__}" if is_named else next((n for n in pages if n.endswith(f".{member}")), "")
    )
    if name not in pages and own not in pages:
        return [name]
    if is_typeddict(one):
        return [f"{name}.{field}" for field in one.__annotations__ if f"{own}.{field}" not in pages]
    if not is_named or (inspect.isclass(one) and issubclass(one, BaseException)):
        return []
    try:
        parameters = set(inspect.signature(one).parameters) - {"self", "kwargs"}
    except ValueError:  # a dictionary by another name
        return []
    known = pages.get(own, set()) | pages.get(name, set())
    return [f"{name}: {parameter}" for parameter in sorted(parameters - known)]


def dead_links(pages: dict[Path, str]) -> Iterator[str]:
    """Links within the pages that lead nowhere."""
    ids = {page: set(map(unescape, _ID.findall(text))) for page, text in pages.items()}
    for page, text in pages.items():
        for link in sorted(set(map(unescape, _LINK.findall(text)))):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.exists():
                yield f"{page.name}: {link}: no such page"
            elif parts.fragment and target in ids and unquote(parts.fragment) not in ids[target]:
                yield f"{page.name}: {link}: no such place in it"


def main() -> int:
    """Say what is missing; the exit code says whether anything is."""
    folder = Path(sys.argv[1]).resolve()
    pages = {page: page.read_text(encoding="utf-8") for page in folder.rglob("*.html")}
    entries, names = documented(pages), dict(public())
    missing = [text for name, one in names.items() for text in undocumented(name, one, entries)]
    dead = list(dead_links(pages))
    print(f"{len(names)} public names, {len(missing)} names and parameters missing; {len(dead)} dead links")
    for text in (*missing, *dead):
        print(text)
    return bool(missing or dead)


if __name__ == "__main__":
    sys.exit(main())
