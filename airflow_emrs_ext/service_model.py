"""The members of the APIs that the installed botocore is too old to know.

botocore merges extras, files beside a service's model, into the model that a session loads. :func:`extend` shows a
session the extras of what its own model lacks: a botocore that knows a feature keeps its own description of it, and
other services, sessions and clients of the process see nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from botocore.exceptions import DataNotFoundError

_DATA_PATH = str(Path(__file__).with_name("botocore_data"))
_SERVERLESS = "emr-serverless/2021-07-13/service-2"
_CONTAINERS = "emr-containers/2020-10-01/service-2"

Model = Mapping[str, Any]
SessionT = TypeVar("SessionT")


class _Feature(NamedTuple):
    """What one release of an API added: the type of its extras files, and how a model shows that it has it."""

    model: str
    extras_type: str
    is_in: Callable[[Model], bool]


_FEATURES = (
    _Feature(_SERVERLESS, "execution-iam-policy", lambda model: "JobRunExecutionIamPolicy" in model["shapes"]),
    _Feature(_SERVERLESS, "sessions", lambda model: "StartSession" in model["operations"]),
    _Feature(_CONTAINERS, "auth-proxy", lambda model: "authProxyUrl" in model["shapes"]["Endpoint"]["members"]),
)


def extend(session: SessionT) -> SessionT:
    """Let a session's clients know what the package needs, as far as its botocore does not.

    Of EMR Serverless that is sessions, ``interactiveConfiguration.sessionEnabled`` and ``executionIamPolicy``; of EMR
    on EKS ``authProxyUrl``, without which nobody gets into a managed endpoint.

    :param session: of boto3, botocore or aiobotocore, before it makes its first client of these services
    :return: the same session
    """
    # boto3 offers its botocore session under no public name.
    botocore_session: Any = getattr(session, "_session", session)
    loader = botocore_session.get_component("data_loader")
    for feature in _FEATURES:
        try:
            model = loader.load_data(feature.model)
        except DataNotFoundError:
            continue  # a botocore with another version of the API knows more than the extras
        if feature.extras_type not in loader.extras_types and not feature.is_in(model):
            loader.extras_types.append(feature.extras_type)
            if _DATA_PATH not in loader.search_paths:
                loader.search_paths.append(_DATA_PATH)
    return session
