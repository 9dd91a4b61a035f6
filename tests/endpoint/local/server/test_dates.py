"""The dates of answers, which are all that a client knows of the service's clock."""

from __future__ import annotations

import time
import urllib.request
from email.utils import parsedate_to_datetime

import pytest

from airflow_emrs_ext.local.testing import LocalEmr


@pytest.mark.parametrize("service", ["emr-serverless", "s3"])
def test_an_answer_has_the_second_in_which_it_was_given(emr: LocalEmr, service: str) -> None:
    client = emr.client(service)
    ask = client.list_applications if service == "emr-serverless" else client.list_buckets
    for _ in range(30):
        before = time.time()
        headers = ask()["ResponseMetadata"]["HTTPHeaders"]
        assert int(before) <= parsedate_to_datetime(headers["date"]).timestamp() <= time.time()
        time.sleep(0.05)


def test_there_is_one_date(emr: LocalEmr) -> None:
    with urllib.request.urlopen(f"{emr.url}/_emrs/health") as response:
        assert len(response.headers.get_all("date")) == 1
