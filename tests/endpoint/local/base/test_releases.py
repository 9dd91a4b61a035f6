"""Release labels of both services, and what the releases have."""

from __future__ import annotations

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.releases import PREVIEW, Software, software_of
from airflow_emrs_ext.local.services.emr_containers import releases as containers
from airflow_emrs_ext.local.services.emr_serverless import releases as serverless


@pytest.mark.parametrize(
    ("label", "release"),
    [
        ("emr-6.6.0", (6, 6, 0)),
        ("emr-7.14.0", (7, 14, 0)),
        ("emr-spark-8.0-preview", PREVIEW),
        ("emr-spark-8.0.0", (8, 0, 0)),
        ("emr-spark-8.1.0", (8, 1, 0)),
    ],
)
def test_labels_of_emr_serverless(label: str, release: tuple[int, int, int]) -> None:
    assert serverless.parse_release(label) == release


@pytest.mark.parametrize(
    ("label", "release"),
    [
        ("emr-5.32.0-latest", (5, 32, 0)),
        ("emr-6.15.0-java17-latest", (6, 15, 0)),
        ("emr-7.0.0-spark-rapids-java8-al2023-20231211", (7, 0, 0)),
        ("notebook-spark/emr-7.13.0-latest", (7, 13, 0)),
        ("emr-spark-8.0.0-20260421", (8, 0, 0)),
        ("spark/emr-spark-8.0.0-latest", (8, 0, 0)),
        ("emr-spark-8.1.0-rapids-latest", (8, 1, 0)),
    ],
)
def test_labels_of_emr_on_eks(label: str, release: tuple[int, int, int]) -> None:
    assert containers.parse_release(label) == release


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("7.5.0", "'7.5.0' is no release label, emr-X.Y.Z such as emr-7.5.0"),
        ("emr-7.5", "is no release label"),
        ("emr-7.5.0-latest", "is no release label"),
        ("emr-8.0.0", "has no release emr-8.0.0; there may be emr-spark-8.0.0"),
        ("emr-spark-7.9.0", "has no release emr-spark-7.9.0; there may be emr-7.9.0"),
        ("emr-8.0-preview", "is no release label"),
        ("emr-6.5.0", "EMR Serverless has no release emr-6.5.0; the first is emr-6.6.0"),
        ("emr-spark-9.0.0", "EMR Serverless has no release emr-spark-9.0.0"),
    ],
)
def test_what_is_none_of_emr_serverless(label: str, message: str) -> None:
    with pytest.raises(ApiError, match=message):
        serverless.parse_release(label)


@pytest.mark.parametrize("label", ["emr-spark-8.0-preview", "latest", "emr-6.1.0-latest", "emr-8.0.0-latest"])
def test_what_is_none_of_emr_on_eks(label: str) -> None:
    with pytest.raises(ApiError, match="releaseLabel: "):
        containers.parse_release(label)


@pytest.mark.parametrize(
    ("label", "software"),
    [
        ("emr-5.33.0-latest", Software("2.4.7", "3.7", 8)),
        ("emr-6.9.0", Software("3.3.0", "3.7", 8)),
        ("emr-6.15.0", Software("3.4.1", "3.7", 8)),
        ("emr-7.0.0", Software("3.5.0", "3.9", 17)),
        ("emr-7.12.0-java11-latest", Software("3.5.6", "3.9", 17)),
        ("emr-7.13.0", Software("3.5.6", "3.11", 17)),
        ("emr-spark-8.0-preview", Software("4.0.1", "3.9", 17)),
        ("emr-spark-8.1.0-latest", Software("4.1.1", "3.11", 17)),
        ("emr-7.20.0", Software("3.5.8", "3.11", 17, is_known=False)),
        ("emr-spark-8.9.0", Software("4.1.1", "3.11", 17, is_known=False)),
    ],
)
def test_what_a_release_has(label: str, software: Software) -> None:
    assert software_of(label) == software
    assert ("a guess" in str(software)) is not software.is_known


def test_which_releases_serve_spark_connect() -> None:
    labels = ("emr-7.12.0", "emr-7.13.0", "emr-7.14.0", "emr-spark-8.0.0", "emr-spark-8.1.0")
    assert [label for label in labels if containers.serves_spark_connect(containers.parse_release(label))] == [
        *("emr-7.14.0", "emr-spark-8.1.0")
    ]
