"""The pace of calls: what a token bucket lets through, and how it gives way to others that share the account."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from botocore.exceptions import EndpointConnectionError

from airflow_emrs_ext.core.effects import Call
from airflow_emrs_ext.core.settings import quotas
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.runtime.rate_limiter import RateLimiter, TokenBucket, rate_limiter_of
from airflow_emrs_ext.shared.quotas import QUOTAS, Quota, Quotas, amended
from tests.driving import drive_on_loop
from tests.unit.stepping import client_error

SERVICE = "emr-serverless"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_comes_at_once_and_then_one_after_another() -> None:
    bucket = TokenBucket(2, 3, Clock())
    assert [bucket.take() for _ in range(6)] == [0, 0, 0, 0.5, 1.0, 1.5]


def test_a_pause_gives_the_burst_back_and_no_more() -> None:
    clock = Clock()
    bucket = TokenBucket(2, 3, clock)
    bucket.take(3)
    clock.now += 1
    assert [bucket.take() for _ in range(3)] == [0, 0, 0.5]
    clock.now += 3600
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]


def test_several_turns_are_taken_as_one_after_another() -> None:
    bucket = TokenBucket(1, 2, Clock())
    assert bucket.take(12) == 10


def test_asking_when_a_turn_comes_takes_none() -> None:
    clock = Clock()
    bucket = TokenBucket(2, 3, clock)
    assert [bucket.comes_in() for _ in range(9)] == [0] * 9
    bucket.take(3)
    assert [bucket.comes_in() for _ in range(9)] == [0.5] * 9
    clock.now += 0.25
    assert bucket.comes_in() == bucket.take() == 0.25


def test_throttling_slows_down_and_calls_that_pass_speed_up_again() -> None:
    clock = Clock()
    bucket = TokenBucket(1, 5, clock)
    bucket.slow_down()
    first, second = bucket.take(), bucket.take()
    assert first > 1 / 0.71
    assert second - first > 1
    for _ in range(100):
        clock.now += 1000
        bucket.take()
    bucket.take(4)
    assert bucket.take() == pytest.approx(1, abs=0.01)


def test_throttling_never_stops_it() -> None:
    bucket = TokenBucket(1, 5, Clock())
    for _ in range(100):
        bucket.slow_down()
    assert bucket.take() < 11


def test_looks_that_can_wait_leave_some_to_others() -> None:
    rate_limiter = RateLimiter({SERVICE: {"list_job_runs": Quota(1, 25)}}, Clock())
    assert [rate_limiter.take_look(SERVICE, "list_job_runs") for _ in range(21)] == [0.0] * 20 + [1.25]
    assert rate_limiter.take(SERVICE, "list_job_runs") == 0
    assert rate_limiter.take_look(SERVICE, "list_job_runs", 8) == 11.25


def test_what_has_no_quota_is_not_paced() -> None:
    rate_limiter = RateLimiter({SERVICE: {}}, Clock())
    assert all(rate_limiter.take(SERVICE, "tag_resource") == 0 for _ in range(1000))
    assert all(rate_limiter.take("s3", "get_object") == 0 for _ in range(1000))


@pytest.mark.parametrize(
    ("error", "slower"),
    [
        (client_error("ThrottlingException"), True),
        (client_error("EKSRequestThrottledException", status=429), True),
        (client_error("InternalServerException", status=500), False),
        (EndpointConnectionError(endpoint_url="http://gone"), False),
    ],
    ids=["throttled", "by EKS", "server error", "network"],
)
def test_it_slows_down_when_throttled_and_nothing_else(error: Exception, slower: bool) -> None:
    rate_limiter = RateLimiter({SERVICE: {"get_job_run": Quota(10, 50)}}, Clock())
    rate_limiter.on_error(Call("get_job_run", service="emr-serverless"), error)
    assert (rate_limiter.take(SERVICE, "get_job_run") > 0) is slower


def test_a_process_has_one_rate_limiter_for_each_connection() -> None:
    assert rate_limiter_of(("a", None)) is rate_limiter_of(("a", None))
    assert rate_limiter_of(("a", None)) is not rate_limiter_of(("b", None))


def answer(account: str, region: str = "eu-west-1", service: str = "emr-serverless") -> dict[str, Any]:
    return {"arn": f"arn:aws:{service}:{region}:{account}:/applications/00fapp/jobruns/00frun", "ResponseMetadata": {}}


class TestAccounts:
    """One account and Region has one quota, whatever leads to it."""

    @pytest.fixture(autouse=True)
    def of_no_account_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(RateLimiter, "_shared", {})

    QUOTAS: ClassVar[Quotas] = {SERVICE: {"start_job_run": Quota(1, 25), "get_job_run": Quota(1, 10)}}
    SHARED = int(25 * 0.95)

    def rate_limiters(self) -> tuple[RateLimiter, RateLimiter, Clock]:
        clock = Clock()
        return RateLimiter(self.QUOTAS, clock), RateLimiter(self.QUOTAS, clock), clock

    def at_once(self, rate_limiter: RateLimiter, most: int = 100) -> int:
        """How many calls may be made now."""
        return sum(rate_limiter.take(SERVICE, "start_job_run") == 0 for _ in range(most))

    def test_two_connections_share_what_is_left(self) -> None:
        one, other, _ = self.rate_limiters()
        assert self.at_once(one, 10) == 10
        assert self.at_once(other, 5) == 5
        one.on_answer(answer("100000000001"))
        other.on_answer(answer("100000000001"))
        assert self.at_once(one) == self.SHARED - 15
        assert other.take(SERVICE, "start_job_run") > 0
        assert other.is_behind(SERVICE, "start_job_run")
        assert other.take(SERVICE, "get_job_run") == 0

    def test_what_was_taken_too_much_before_is_waited_for(self) -> None:
        one, other, clock = self.rate_limiters()
        one.on_answer(answer("100000000002"))
        assert self.at_once(one) == self.at_once(other) == self.SHARED
        clock.now += 200
        assert self.at_once(other, 20) == self.at_once(one, 20) == 20
        other.on_answer(answer("100000000002"))
        assert one.take(SERVICE, "start_job_run") == pytest.approx((41 - 23.75) / 0.95)

    def test_throttling_of_one_slows_both_down(self) -> None:
        one, other, _ = self.rate_limiters()
        other.take(SERVICE, "start_job_run")
        other.on_error(Call("start_job_run", service="emr-serverless"), client_error("ThrottlingException"))
        one.on_answer(answer("100000000003"))
        one.take(SERVICE, "start_job_run")
        other.on_answer(answer("100000000003"))
        assert one.take(SERVICE, "start_job_run") > 0

    @pytest.mark.parametrize(
        "elsewhere", [answer("100000000005"), answer("100000000004", region="us-east-1"), {"arn": "none"}, {}, [], None]
    )
    def test_who_asks_another_account_or_region_or_does_not_tell_has_its_own(self, elsewhere: Any) -> None:
        one, other, _ = self.rate_limiters()
        one.on_answer(answer("100000000004"))
        other.on_answer(elsewhere)
        assert self.at_once(one) == self.at_once(other) == self.SHARED

    def test_a_connection_that_changes_its_account_leaves_the_old_one_behind(self) -> None:
        one, other, _ = self.rate_limiters()
        one.on_answer(answer("100000000006"))
        other.on_answer(answer("100000000006"))
        assert self.at_once(one) == self.SHARED
        other.on_answer(answer("100000000007"))
        assert self.at_once(other) == self.SHARED
        other.on_answer(answer("100000000006"))
        assert self.at_once(other) == 0

    def test_other_quotas_are_other_quotas(self) -> None:
        one, _, clock = self.rate_limiters()
        other = RateLimiter({SERVICE: {}}, clock)
        one.on_answer(answer("100000000008"))
        other.on_answer(answer("100000000008"))
        assert self.at_once(one) == self.SHARED
        assert self.at_once(other) == 100

    @pytest.mark.parametrize(
        "told",
        [
            answer("100000000009"),
            {"jobRun": {**answer("100000000009"), "executionRole": "arn:aws:iam::100000000000:role/r"}},
            {"ResponseMetadata": {}, "nextToken": "x", "jobRuns": [answer("100000000009"), answer("100000000000")]},
            {"virtualCluster": answer("100000000009", service="emr-containers")},
            {"arn": "arn:aws-cn:emr-containers:eu-west-1:100000000009:/virtualclusters/x/jobruns/y"},
        ],
    )
    def test_each_answer_tells(self, told: dict[str, Any]) -> None:
        one, other, _ = self.rate_limiters()
        one.on_answer(answer("100000000009"))
        other.on_answer(told)
        self.at_once(one)
        assert self.at_once(other) == 0

    @pytest.mark.airflow
    @pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "asynchronous"])
    async def test_connections_to_one_endpoint_find_out_by_themselves(
        self, emr: LocalEmr, monkeypatch: pytest.MonkeyPatch, asynchronous: bool
    ) -> None:
        from airflow_emrs_ext.aws import serverless as api
        from airflow_emrs_ext.hooks.serverless import EmrServerlessHook

        monkeypatch.setenv("AIRFLOW__EMRS_EXT__QUOTAS", '{"emr-serverless": {"StartJobRun": [1, 25]}}')
        application_id = emr.client("emr-serverless").create_application(type="SPARK", releaseLabel="emr-7.9.0")[
            "applicationId"
        ]
        rate_limiters = []
        for name in ("one", "another"):
            connection = f"{name}_{asynchronous}".lower()
            monkeypatch.setenv(f"AIRFLOW_CONN_{connection.upper()}", "aws://")
            hook = EmrServerlessHook(aws_conn_id=connection)
            if asynchronous:
                await drive_on_loop(hook, api.get_application(hook.run_context, application_id))
            else:
                hook.get_application(application_id)
            rate_limiters.append(hook.rate_limiter)
        assert [self.at_once(rate_limiter) for rate_limiter in rate_limiters] == [self.SHARED, 0]


class TestQuotas:
    def test_an_account_has_its_own(self) -> None:
        given = {"emr-serverless": {"StartJobRun": [5, 100], "get_job_run": None}, "emr-containers": None}
        own = amended(given)
        assert own["emr-serverless"]["start_job_run"] == Quota(5, 100)
        assert "get_job_run" not in own["emr-serverless"]
        assert own["emr-serverless"]["list_job_runs"] == QUOTAS["emr-serverless"]["list_job_runs"]
        assert own["emr-containers"] == {}
        assert QUOTAS["emr-serverless"]["start_job_run"] == Quota(1, 25)

    def test_the_option_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__EMRS_EXT__QUOTAS", '{"emr-serverless": {"GetDashboardForJobRun": [2, 4]}}')
        assert quotas()["emr-serverless"]["get_dashboard_for_job_run"] == (2, 4)
        monkeypatch.setenv("AIRFLOW__EMRS_EXT__QUOTAS", "")
        assert quotas() == QUOTAS

    @pytest.mark.parametrize(
        "given", ["{", "[1]", '{"emr-serverless": {"StartJobRun": 5}}', '{"emr-serverless": {"StartJobRun": [0, 25]}}']
    )
    def test_a_bad_option_says_what_it_takes(self, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__EMRS_EXT__QUOTAS", given)
        with pytest.raises(ConfigurationError, match=r"\[emrs_ext\] quotas .*such as"):
            quotas()
