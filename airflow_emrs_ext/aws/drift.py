"""Where a resource differs from the request that would make it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from airflow_emrs_ext.aws.request_values import input_of
from airflow_emrs_ext.core.values import shown

# Sizes such as `16 vCPU`: the service writes them its own way.
_SIZES = frozenset({"CpuSize", "MemorySize", "DiskSize"})


class Difference(NamedTuple):
    """One place where they differ.

    :param path: member names, with dots between them
    :param wanted: what the request has there; ``None``: nothing
    :param found: what the resource has there; ``None``: nothing
    """

    path: str
    wanted: Any
    found: Any

    def __str__(self) -> str:
        """As a line of a log, without secrets."""
        return f"{self.path}: {shown(self.found, self.path)} instead of {shown(self.wanted, self.path)}"


def differences(service: str, operation: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[Difference]:
    """Where a resource differs from what a request says; what the request does not say may be anything.

    :param service: botocore's name of the service
    :param operation: botocore's client method of the request
    :param wanted: the members of the request, by the API's names and with the types of the service's model
    :param found: the resource, as the service describes it
    """
    shape = input_of(service, operation)
    return [
        one for name, value in wanted.items() for one in _between(shape.members[name], value, found.get(name), name)
    ]


def _between(shape: Any, wanted: Any, found: Any, path: str) -> Iterator[Difference]:
    if wanted in ({}, []) and found in (None, {}, []):
        return
    if shape.type_name == "structure" and found is not None:
        for name, value in wanted.items():
            yield from _between(shape.members[name], value, found.get(name), f"{path}.{name}")
    elif shape.type_name == "map" and found is not None:
        for name in {**wanted, **found}:
            if name in wanted and name in found:
                yield from _between(shape.value, wanted[name], found[name], f"{path}.{name}")
            else:
                yield Difference(f"{path}.{name}", wanted.get(name), found.get(name))
    elif _comparable(shape, wanted) != _comparable(shape, found):
        yield Difference(path, wanted, found)


def _comparable(shape: Any, value: Any) -> Any:
    if value is None:
        return None
    if shape.name in _SIZES:
        return "".join(str(value).split()).lower()
    if shape.type_name == "list":
        # None of them has an order.
        return sorted(repr(_sorted(one)) for one in value)
    return value


def _sorted(value: Any) -> Any:
    """Structures whose members come in one order, and without those that are empty."""
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value) if value[name] not in ({}, [], None)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value
