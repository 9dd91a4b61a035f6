"""No web page gets anything out of the endpoint, or into it; programs and the links that people follow do."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, local_emr
from tests.contract.wire import SIGNED, signed
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/jobs"
CREDENTIAL = "X-Amz-Credential=test/20260101/us-east-1"
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
APPLICATION = b'{"clientToken": "a", "releaseLabel": "emr-7.9.0", "type": "SPARK"}'
QUEUE = b"Action=CreateQueue&QueueName=forged&Version=2012-11-05"
ANOTHER = APPLICATION.replace(b'"a"', b'"b"')
CLUSTER = b'{"clientToken": "a", "name": "a", "containerProvider": {"type": "EKS", "id": "a"}}'

# One request for each part of the endpoint: what it does when a program asks, and what it would change.
REQUESTS: dict[str, tuple[str, str, dict[str, str], bytes | None]] = {
    "EMR Serverless": ("POST", "/applications", {"Authorization": SIGNED}, APPLICATION),
    "signed in the query": ("POST", f"/applications?{CREDENTIAL}/emr-serverless/aws4_request", {}, ANOTHER),
    "EMR on EKS": ("POST", f"/virtualclusters?{CREDENTIAL}/emr-containers/aws4_request", {}, CLUSTER),
    "listing": ("GET", f"/applications?{CREDENTIAL}/emr-serverless/aws4_request", {}, None),
    "admin": ("POST", "/_emrs/faults", {}, b'{"operation": "ListApplications", "fault": "throttle"}'),
    "admin, reading": ("GET", "/_emrs/calls", {}, None),
    "bucket": ("PUT", "/forged", {}, b""),
    "bucket, reading": ("GET", "/kept/object", {"Authorization": signed("s3")}, None),
    "object": ("PUT", "/kept/object", {"Authorization": signed("s3")}, b"forged"),
    "form": ("POST", "/", {"Authorization": signed("sqs"), **FORM}, QUEUE),
    "metadata": ("GET", "/latest/meta-data/iam/security-credentials/", {}, None),
}  # fmt: skip
PAGES: dict[str, dict[str, str]] = {
    "rebound name": {"Host": "attacker.example"},
    "rebound name with a port": {"Host": "attacker.example:4568"},
    "name that looks like one of its own": {"Host": "localhost.attacker.example"},
    "address as a name": {"Host": "127.0.0.1.attacker.example"},
    "another address": {"Host": "192.0.2.1"},
    "no name": {"Host": ""},
    "user in the name": {"Host": "localhost@attacker.example"},
    "form of another site": {"Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site", **NAVIGATION},
    "form without the origin's name": {"Origin": "null", **NAVIGATION},
    "page of another port": {"Origin": "http://localhost:1", "Sec-Fetch-Site": "same-site"},
    "page of the same name by TLS": {"Origin": "https://127.0.0.1"},
    "extension": {"Origin": "chrome-extension://abcdefgh", "Sec-Fetch-Site": "none"},
    "image": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "image of another port": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "link": {"Sec-Fetch-Site": "cross-site", **NAVIGATION},
    "link of another port": {"Sec-Fetch-Site": "same-site", **NAVIGATION},
    "old browser": BROWSER,
}
PROGRAMS: dict[str, dict[str, str]] = {
    "plain": {},
    "by name": {"Host": "localhost:4568"},
    "by name, in capitals": {"Host": "LOCALHOST"},
    "by another address": {"Host": "127.1.2.3"},
    "by address, version 6": {"Host": "[::1]:4568"},
    "typed": {"Sec-Fetch-Site": "none", **NAVIGATION, **BROWSER},
    "the endpoint's own": {
        "Host": "localhost:4568",
        "Origin": "http://localhost:4568",
        "Sec-Fetch-Site": "same-origin",
    },
}


def ask(
    url: str, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to a request with these headers and no others."""
    authority = urlsplit(url).netloc
    connection = http.client.HTTPConnection(authority, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": authority, **(headers or {})}.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


def kept(emr: LocalEmr) -> dict[str, Any]:
    """All that a request of the table could change."""
    queues = b"Action=ListQueues&Version=2012-11-05"
    return {
        "applications": emr.applications(),
        "clusters": emr.virtual_clusters(),
        "faults": emr.faults(),
        "calls": emr.calls(),
        "buckets": ask(emr.url, "GET", "/", {"Authorization": signed("s3")})[2],
        "object": ask(emr.url, "GET", "/kept/object", {"Authorization": signed("s3")})[2],
        "queues": b"forged" in ask(emr.url, "POST", "/", {"Authorization": signed("sqs"), **FORM}, queues)[2],
    }


@pytest.fixture
def bucket(emr: LocalEmr) -> None:
    for path, content in (("/kept", b""), ("/kept/object", b"kept")):
        assert ask(emr.url, "PUT", path, {"Authorization": signed("s3")}, content)[0] == 200


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("page", PAGES)
def test_a_web_page_is_refused_everywhere(emr: LocalEmr, page: str) -> None:
    before = kept(emr)
    for name, (method, path, headers, body) in REQUESTS.items():
        status, answered, content = ask(emr.url, method, path, {**headers, **PAGES[page]}, body)
        assert status == (421 if "Host" in PAGES[page] else 403), name
        assert b"--allowed-" in content, name
        assert not [header for header in answered if header.startswith("access-control")], name
    assert kept(emr) == before


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_answered_everywhere(emr: LocalEmr, program: str) -> None:
    for name, (method, path, headers, body) in REQUESTS.items():
        status, answered, _ = ask(emr.url, method, path, {**headers, **PROGRAMS[program]}, body)
        assert status < 300, name
        assert not [header for header in answered if header.startswith("access-control")], name
    emr.clear_faults()
    found = kept(emr)
    assert (len(found["applications"]), len(found["clusters"])) == (2, 1)
    assert (b"<Name>forged<" in found["buckets"], found["object"], found["queues"]) == (True, b"forged", True)


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("name", ["kept.localhost", "kept.s3.localhost:4568"])
def test_a_bucket_may_be_part_of_the_name(emr: LocalEmr, name: str) -> None:
    assert ask(emr.url, "GET", "/object", {"Host": name, "Authorization": signed("s3")})[2] == b"kept"


def test_no_page_is_asked_in_advance_either(emr: LocalEmr) -> None:
    preflight = {"Origin": "https://attacker.example", "Access-Control-Request-Method": "DELETE"}
    for path in ("/applications", "/_emrs/reset", "/kept/object"):
        status, answered, _ = ask(emr.url, "OPTIONS", path, preflight)
        assert status == 403
        assert not [header for header in answered if header.startswith("access-control")]


@pytest.mark.parametrize(
    "path", ["/moto-api/", "/moto-api/reset", "/moto-api/data.json", "/%6Doto-api/reset", "/moto-api"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.usefixtures("bucket")
def test_motos_own_control_is_closed(emr: LocalEmr, method: str, path: str) -> None:
    before = kept(emr)
    status, _, content = ask(emr.url, method, path, {}, b"")
    assert (status, content) == (404, b"")
    assert kept(emr) == before


@pytest.mark.parametrize("link", ["link", "link of another port", "old browser"])
def test_a_link_of_any_page_leads_to_a_dashboard(emr: LocalEmr, link: str) -> None:
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    client = emr.client("emr-serverless")
    application_id = client.create_application(releaseLabel="emr-7.9.0", type="SPARK")["applicationId"]
    driver = {"sparkSubmit": {"entryPoint": "s3://b/j.py"}}
    started = client.start_job_run(applicationId=application_id, executionRoleArn=ROLE, jobDriver=driver)
    eventually(lambda: emr.job_runs()[0]["state"] == "RUNNING")
    url = client.get_dashboard_for_job_run(applicationId=application_id, jobRunId=started["jobRunId"])["url"]
    path = urlsplit(url).path
    # Not from within a page, where it would be used up unseen.
    for page in ("image", "image of another port", "form of another site"):
        assert ask(emr.url, "GET", path, PAGES[page])[0] == 403
    assert ask(emr.url, "GET", path, {**PAGES[link], "Sec-Fetch-Dest": "iframe"})[0] == 403
    assert ask(emr.url, "POST", path, PAGES[link], b"")[0] == 403
    status, answered, _ = ask(emr.url, "GET", path, PAGES[link])
    assert status == 302
    status, answered, page_shown = ask(emr.url, "GET", urlsplit(answered["location"]).path, PAGES[link])
    assert (status, answered["content-security-policy"]) == (200, "sandbox")
    assert started["jobRunId"].encode() in page_shown


@pytest.fixture(scope="module")
def open_endpoint() -> Iterator[LocalEmr]:
    with local_emr(
        allowed_hosts=["emr.test", "192.0.2.7"], allowed_origins=["http://localhost:3000"], moto_api=True
    ) as endpoint:
        yield endpoint


class TestWhatIsAskedFor:
    @pytest.mark.parametrize("name", ["emr.test", "EMR.test:80", "bucket.emr.test", "192.0.2.7:4568", "localhost"])
    def test_a_further_name_is_its_own(self, open_endpoint: LocalEmr, name: str) -> None:
        own = {"Host": name, "Origin": f"http://{name}"}
        assert ask(open_endpoint.url, "POST", "/_emrs/reset", own, b"")[0] == 200

    @pytest.mark.parametrize("name", ["test", "emr.test.example", "notemr.test", "192.0.2.8"])
    def test_no_other_is(self, open_endpoint: LocalEmr, name: str) -> None:
        assert ask(open_endpoint.url, "POST", "/_emrs/reset", {"Host": name}, b"")[0] == 421

    def test_an_allowed_page_may_read_and_write(self, open_endpoint: LocalEmr) -> None:
        page = {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site", **BROWSER}
        preflight = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-amz-date"}
        for method, path, headers, body in (
            ("OPTIONS", "/pages", preflight, None),
            ("PUT", "/pages", {}, b""),
            ("GET", "/_emrs/calls", {}, None),
        ):
            status, answered, _ = ask(open_endpoint.url, method, path, {**page, **headers}, body)
            assert (status, answered["access-control-allow-origin"]) == (200, "http://localhost:3000")

    @pytest.mark.parametrize("page", PAGES)
    def test_no_other_page_may(self, open_endpoint: LocalEmr, page: str) -> None:
        for name, (method, path, headers, body) in REQUESTS.items():
            assert ask(open_endpoint.url, method, path, {**headers, **PAGES[page]}, body)[0] in (403, 421), name

    def test_motos_own_control_is_answered_to_programs(self, open_endpoint: LocalEmr) -> None:
        by_program = {"Authorization": signed("s3")}
        assert ask(open_endpoint.url, "PUT", "/gone", by_program, b"")[0] == 200
        foreign = {"Origin": "https://attacker.example"}
        assert ask(open_endpoint.url, "POST", "/moto-api/reset", foreign, b"")[0] == 403
        assert ask(open_endpoint.url, "POST", "/moto-api/reset", {}, b"")[0] == 200
        assert b"gone" not in ask(open_endpoint.url, "GET", "/", by_program)[2]
        status, answered, _ = ask(open_endpoint.url, "GET", "/moto-api/data.json")
        assert status == 200
        assert not [header for header in answered if header.startswith("access-control")]


def test_a_name_that_it_is_bound_to_is_its_own() -> None:
    with local_emr(host="0.0.0.0") as emr:
        port = urlsplit(emr.url).port
        for name in ("0.0.0.0", "127.0.0.1", "localhost"):
            assert ask(f"http://127.0.0.1:{port}", "GET", "/_emrs/health", {"Host": f"{name}:{port}"})[0] == 200
        assert ask(f"http://127.0.0.1:{port}", "GET", "/_emrs/health", {"Host": "192.0.2.1"})[0] == 421
