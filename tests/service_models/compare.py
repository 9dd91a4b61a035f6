"""What the models of both services gained and changed from one botocore to the next, and what becomes of it here.

``python -m tests.service_models.compare`` (``make test-models``) downloads the wheels of :data:`VERSIONS` and the
newest one, compares the models member by member, and writes the table of docs/reference/service-models.md. It fails
when there is a difference that :data:`KNOWN` says nothing about.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

VERSIONS = ("1.42.94", "1.43.117", "1.44.8")
"""The botocore of the first release of this package's sessions, of the newest aiobotocore, and the newest then."""

SERVICES = ("emr-serverless", "emr-containers")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "service-models.md"

Model = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """A difference, and what becomes of it.

    :param names: the names of shapes, members and constraints, as a regular expression
    :param what: the difference
    :param here: what the operators and the local endpoint make of it
    """

    names: str
    what: str
    here: str


KNOWN: Mapping[str, tuple[Known, ...]] = {
    "emr-serverless": (
        Known(
            r"EntryPointArgument:.*",
            "An entry point argument may be empty.",
            "Taken; the botocore before refuses it in the client, by its own model.",
        ),
        Known(
            r"GetResourceDashboardRequest\.accessSystemProfileLogs",
            "GetResourceDashboard may ask for the logs of the system profile of Lake Formation.",
            "The local endpoint takes it, and has no such logs: it has one driver, not two.",
        ),
        Known(
            r"ImageConfiguration(Input)?\.applicationLevelDigestResolution|JobRun\.(imageConfiguration|"
            r"workerTypeSpecifications)",
            "Images are resolved when an application starts, or with each job run, which says its image.",
            "Passed on by the operators; the local endpoint records it, shows a job run the images of its application,"
            " and runs none.",
        ),
        Known(
            r"ResourceArn:pattern",
            "Sessions have tags.",
            "The operators tag sessions, with every boto3; so does the local endpoint.",
        ),
        Known(
            r"FlexExecution.*|(JobRun|JobRunSummary|JobRunAttemptSummary|StartJobRunRequest)\.flexExecution",
            "Job runs on Flex capacity.",
            "`flex_execution` of `EmrServerlessStartJobRunOperator`, with every boto3; the local endpoint records it"
            " and refuses it where the guide does.",
        ),
        Known(
            r".*\.executionTimeoutMinutes \(text\)",
            "A BATCH job run has 10080 minutes at most from emr-7.11.0 on, and 0 is no unlimited one any more.",
            "Documented, and refused by the local endpoint.",
        ),
        Known(r"GetSessionEndpointResponse\.authToken \(text\)", "Another wording.", "None needed."),
    ),
    "emr-containers": (
        Known(
            r".*(Authentication|authentication|IAM|IdentityCenter)Configuration.*|.*IdentityCenter(Application|Instance)ARN.*"
            r"|.*DeleteSecurityConfiguration.*|(LakeFormation|TLSCertificate)Configuration.*"
            r"|AuthorizationConfiguration\..*",
            "Security configurations: authentication, and their deletion.",
            "Passed on by `config`; the local endpoint answers 501 to their operations.",
        ),
        Known(
            r"CreateManagedEndpointRequest\.sessionIdleTimeoutInMinutes|SessionIdleTimeoutInMinutes.*"
            r"|Endpoint\.authProxyUrl|GetManagedEndpointSessionCredentialsResponse\.endpointCredentials"
            r"|(CreateVirtualClusterRequest|VirtualCluster)\.sessionEnabled",
            "Managed endpoints for Spark Connect, and virtual clusters with sessions.",
            "`EmrContainersCreateManagedEndpointOperator` and the local endpoint, with every boto3.",
        ),
        Known(
            r".*[sS]cheduler(Configuration|Status).*|(InQueueJobLimit|JobLimit|NonNegative)Integer.*"
            r"|.*UpdateVirtualCluster.*",
            "Virtual clusters limit what executes and what waits: 1000 each at most, and 1000 at once by default.",
            "`config` of `EmrContainersCreateVirtualClusterOperator`; the local endpoint queues, refuses and updates by"
            " them.",
        ),
        Known(
            r"EksInfo\.nodeLabel|NodeLabelString.*",
            "Labels of nodes have a form of their own.",
            "Checked by the local endpoint as far as its botocore knows it.",
        ),
        Known(
            r"S3MonitoringConfiguration\.encryptionKeyArn",
            "Logs on S3 are encrypted with a key.",
            "`s3MonitoringConfiguration` takes it; the local endpoint gives it to S3.",
        ),
    ),
}


def differences(older: Model, newer: Model) -> Iterator[str]:
    """The names of everything that two models say differently.

    :param older: a model of botocore's
    :param newer: a later one of the same service
    """
    before, after = dict(_facts(older)), dict(_facts(newer))
    yield from sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _facts(model: Model) -> Iterator[tuple[str, str]]:
    for name, operation in model["operations"].items():
        yield f"operation {name}", json.dumps(_without_text(operation), sort_keys=True)
    for name, shape in model["shapes"].items():
        for key, value in shape.items():
            if key not in ("members", "documentation"):
                yield f"{name}:{key}", json.dumps(_without_text(value), sort_keys=True)
        for member, reference in shape.get("members", {}).items():
            yield f"{name}.{member}", json.dumps(_without_text(reference), sort_keys=True)
            # Limits that only the text has.
            if re.search(r"\d|no longer|default", text := reference.get("documentation", "")):
                yield f"{name}.{member} (text)", text


def _without_text(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _without_text(value) for key, value in part.items() if key != "documentation"}
    return [_without_text(one) for one in part] if isinstance(part, list) else part


def models(version: str | None, folder: Path) -> tuple[str, dict[str, Model]]:
    """The models of a botocore, and its version.

    :param version: of botocore; ``None``: the newest
    :param folder: where to put its wheel
    """
    wanted = "botocore" if version is None else f"botocore=={version}"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, wanted]
        subprocess.run(pip, check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            found = {service: _model(packed, service) for service in SERVICES}
    return wheel.name.split("-")[1], found


def _model(packed: zipfile.ZipFile, service: str) -> Model:
    name = next(name for name in packed.namelist() if re.search(rf"data/{service}/[^/]+/service-2\.json", name))
    data = packed.read(name)
    model: Model = json.loads(gzip.decompress(data) if name.endswith(".gz") else data)
    return model


def unknown(service: str, before: Model, after: Model) -> list[str]:
    """The differences that :data:`KNOWN` says nothing about, but for mere text."""
    names = differences(before, after)
    return [
        name
        for name in names
        if not name.endswith("(text)") and not any(re.fullmatch(one.names, name) for one in KNOWN[service])
    ]


def main() -> int:
    """Compare, write the page, and list what nothing is known of."""
    with tempfile.TemporaryDirectory() as folder:
        known = [models(version, Path(folder)) for version in (*VERSIONS, None)]
    pairs = [pair for pair in pairwise(known) if pair[0][0] != pair[1][0]]
    rows, new = [], []
    for service in SERVICES:
        for (older, before), (newer, after) in pairs:
            names = list(differences(before[service], after[service]))
            for one in KNOWN[service]:
                matching = [name for name in names if re.fullmatch(one.names, name)]
                names = [name for name in names if name not in matching]
                if matching:
                    listed = f"{len(matching)}: `{matching[0]}`" + (" …" if len(matching) > 1 else "")
                    rows.append(f"| {service} | {older} → {newer} | {listed} | {one.what} | {one.here} |")
            new += [
                f"{service} {older} -> {newer}: {name}" for name in unknown(service, before[service], after[service])
            ]
    PAGE.write_text(_HEAD + "\n".join(rows) + "\n")
    print(f"{len(rows)} groups of differences are known, of botocore {' to '.join((known[0][0], known[-1][0]))}")
    for line in new:
        print(f"unknown: {line}")
    return 1 if new else 0


_HEAD = """# Service models

What the models of both services in botocore gained and changed, member by member, and what becomes of it here. `make
test-models` compares the versions below and the newest one, writes this page, and fails when there is a difference that
nothing is known of.

| Service | botocore | Differences | What | Here |
|---|---|---|---|---|
"""

if __name__ == "__main__":
    sys.exit(main())
