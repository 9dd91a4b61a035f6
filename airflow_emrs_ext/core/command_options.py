"""Options of a command line as values, which become text last: nothing that a value holds can end it or add an option.

Until then they are a mapping of options to values, in the order in which they are given:

- a text or a number: ``{"--class": "org.example.Main"}``
- a list, of an option that takes several values with commas between them: ``{"--jars": ["s3://b/a.jar"]}``
- a mapping, of an option that is given once for each of several values that have names: ``{"--conf": {"a.b": "c"}}``;
  or a list of pairs, as Airflow renders no keys: ``{"--conf": [["{{ var.value.key }}", "c"]]}``
- ``True``, of an option that takes no value

``None`` and ``False`` leave an option, or one of its values, out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_emrs_ext.core.values import as_text, list_of, pairs_of, shown, wrong
from airflow_emrs_ext.exceptions import ConfigurationError

# Those that take several values with commas between them.
_LISTS = frozenset(
    {"--archives", "--exclude-packages", "--files", "--jars", "--packages", "--py-files", "--repositories"}
)
# Others that take a value.
_VALUED = frozenset(
    {
        "--class",
        "--deploy-mode",
        "--driver-cores",
        "--driver-memory",
        "--executor-cores",
        "--executor-memory",
        "--master",
        "--name",
        "--num-executors",
        "--properties-file",
    }
)
# Those that are given once for each of several values that have names.
_NAMED = frozenset({"--conf", "-c", "--hiveconf", "-hiveconf", "--hivevar", "-hivevar", "--define", "-d"})


def command_line(options: Any, path: str) -> str:
    """Options as the text that a shell would split into exactly them.

    :param options: in the form that this module describes
    :param path: where they are given, for messages
    :raises ConfigurationError: a value cannot be said so
    """
    if not isinstance(options, Mapping):
        raise wrong(options, path, "options as text, or as a mapping such as {'--conf': {…}}")
    return shlex.join(word for option, value in options.items() for word in _words(option, value, f"{path}.{option}"))


def _words(option: str, value: Any, path: str) -> Iterable[str]:
    if not isinstance(option, str) or not option.startswith("-"):
        raise ConfigurationError(f"`{path}`: {option!r} is no option; options begin with `--`.")
    if value is None or value is False:
        return
    if value is True and option not in (_LISTS | _VALUED | _NAMED):
        yield option
        return
    given = list_of(value, path) if option in _LISTS and _is_text_of_list(value) else value
    if option in _NAMED:
        for name, one in pairs_of(given, path):
            if not name or "=" in name or any(map(str.isspace, name)):
                # With a blank it would be a property that nothing reads.
                raise ConfigurationError(
                    f"`{path}`: {name!r} cannot be a name there: it is empty, or has a `=` or a blank."
                )
            if one is not None:
                yield from (option, f"{name}={_text(one, f'{path}.{name}')}")
    elif isinstance(given, Sequence) and not isinstance(given, (str, bytes, bytearray)):
        items = [_item(item, f"{path}[{number}]") for number, item in enumerate(given)]
        if items:
            yield from (option, ",".join(items))
    elif value is True or not (text := _text(given, path)):
        raise wrong(value, path, "a value")
    else:
        yield from (option, text)


def _is_text_of_list(value: Any) -> bool:
    """Whether a template has rendered a list."""
    return isinstance(value, str) and value.strip().startswith("[")


def _item(value: Any, path: str) -> str:
    text = _text(value, path)
    if not text or "," in text:
        raise ConfigurationError(f"`{path}` is {shown(text, path)}; an entry is one value, without a comma.")
    return text


def _text(value: Any, path: str) -> str:
    text = as_text(value)
    if text is None:
        raise wrong(value, path, "a text or a number")
    return text
