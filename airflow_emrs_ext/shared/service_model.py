"""The operations and members of the APIs that the installed botocore is too old to know.

botocore merges extras, files beside a service's model, into the model that a session loads. :func:`extend` shows a
session the extras of what its own model lacks: a botocore that knows a feature keeps its own description of it, and
other services, sessions and clients of the process see nothing. Sessions that are extended for one
service share what they have loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader

_DATA_PATH = str(Path(__file__).with_name("botocore_data"))

Model = Mapping[str, Any]
SessionT = TypeVar("SessionT")


class _Feature(NamedTuple):
    """What one release of an API added: to which model, the type of its extras files, and how a model shows it."""

    model: str
    extras_type: str
    is_in: Callable[[Model], bool]


_SERVERLESS = "emr-serverless/2021-07-13/service-2"
_FEATURES = (
    _Feature(_SERVERLESS, "execution-iam-policy", lambda model: "JobRunExecutionIamPolicy" in model["shapes"]),
    _Feature(_SERVERLESS, "sessions", lambda model: "StartSession" in model["operations"]),
    _Feature(_SERVERLESS, "disk-encryption", lambda model: "DiskEncryptionConfiguration" in model["shapes"]),
    _Feature(_SERVERLESS, "identity-center", lambda model: "IdentityCenterConfiguration" in model["shapes"]),
    _Feature(_SERVERLESS, "scheduler", lambda model: "SchedulerConfiguration" in model["shapes"]),
    _Feature(_SERVERLESS, "shutdown-grace-period", lambda model: "ShutdownGracePeriodInSeconds" in model["shapes"]),
    _Feature(_SERVERLESS, "flex-execution", lambda model: "FlexExecution" in model["shapes"]),
    _Feature(_SERVERLESS, "cost-allocation", lambda model: "JobLevelCostAllocationConfiguration" in model["shapes"]),
    _Feature(
        "emr-containers/2020-10-01/service-2",
        "spark-connect",
        lambda model: "authProxyUrl" in model["shapes"]["Endpoint"]["members"],
    ),
    _Feature(
        "emr/2009-03-31/service-2", "persistent-app-ui", lambda model: "CreatePersistentAppUI" in model["operations"]
    ),
    _Feature("emr/2009-03-31/service-2", "cluster-sessions", lambda model: "StartSession" in model["operations"]),
)

# To read and parse the models is most of what a session and a client cost: a process does it once for each service, and
# apart from whatever else in the process shares a loader, which may have loaded a model without the extras.
_LOADERS: dict[tuple[str, ...], Loader] = {}


def extend(session: SessionT, service: str) -> SessionT:
    """Let a session's clients of a service know what this package uses, as far as its botocore does not.

    That is, of EMR Serverless: sessions, ``interactiveConfiguration.sessionEnabled``, ``executionIamPolicy``, the times
    of job runs, the grace period of their cancellation, Flex capacity, and the scheduler, disk encryption, Identity
    Center and cost allocation of applications; of EMR on EKS: where a managed endpoint serves Spark Connect; of EMR:
    persistent application UIs, and sessions of clusters.

    :param session: of boto3, botocore or aiobotocore, before it makes its first client of the service
    :param service: botocore's name of it; of others nothing is loaded
    :return: the same session
    """
    # boto3 offers its botocore session under no public name.
    botocore_session: Any = getattr(session, "_session", session)
    paths = list(botocore_session.get_component("data_loader").search_paths)
    loader = _LOADERS.setdefault((service, *paths), Loader(paths, include_default_search_paths=False))
    botocore_session.register_component("data_loader", loader)
    for feature in _FEATURES:
        if not feature.model.startswith(f"{service}/") or feature.extras_type in loader.extras_types:
            continue
        try:
            model = loader.load_data(feature.model)
        except DataNotFoundError:
            continue  # a botocore with another version of the API knows more than the extras
        if not feature.is_in(model):
            loader.extras_types.append(feature.extras_type)
            if _DATA_PATH not in loader.search_paths:
                loader.search_paths.append(_DATA_PATH)
    return session
