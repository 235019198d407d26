"""How much a token may ask for, alone and through a service."""

import asyncio
import math

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st
from runstream.v1 import batches_pb2

from accounts.limits import Limits
from accounts.tokens import Token, hash_token
from service.errors import RateLimitedError
from service.rpc.rate_limits import WINDOW_S, RateLimits
from tests.support.batch_requests import batch_of
from tests.support.running_service import ask, config, details, error_info, run_service

KEY = ("acc", "laptop")


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now_s = 1000.5

    def __call__(self):
        return self.now_s


def asked(limits, of, key=KEY):
    """Asks once; in how many seconds it may ask again, 0 if it may now."""
    try:
        limits.count(key, of)
    except RateLimitedError as error:
        return error.retry_after_s
    return 0


@given(st.lists(st.floats(0, 90), max_size=60), st.integers(1, 8))
def test_no_minute_has_more_requests_than_may_be_and_who_waits_as_told_may_ask(pauses, limit):
    clock, admitted = Clock(), []
    limits, of = RateLimits(Limits(), clock), Limits(requests_per_minute=limit)
    for pause in pauses:
        clock.now_s += pause / 10
        wait_s = asked(limits, of)
        if wait_s:
            assert wait_s <= WINDOW_S + 1
            clock.now_s += wait_s
            assert asked(limits, of) == 0
        admitted.append(clock.now_s)
        assert sum(clock.now_s - at < 60 for at in admitted) <= limit


def test_tokens_are_charged_beyond_the_limit_and_then_waited_for():
    clock = Clock()
    limits, of = RateLimits(Limits(), clock), Limits(tokens_per_minute=100)
    use = limits.count(KEY, of)
    use.charge(99)
    assert dict(use.told())["x-ratelimit-remaining-tokens"] == "1"
    assert asked(limits, of) == 0
    use.charge(500)
    assert asked(limits, of) == 61 - math.floor(0.5)
    clock.now_s += 60.5
    assert asked(limits, of) == 0


def test_what_is_told_is_limit_rest_and_when_it_is_whole_again():
    clock = Clock()
    limits, of = RateLimits(Limits(), clock), Limits(requests_per_minute=2, tokens_per_minute=10)
    limits.count(KEY, of).charge(4)
    clock.now_s += 10.0
    assert dict(limits.count(KEY, of).told()) == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "61s",
        "x-ratelimit-limit-tokens": "10",
        "x-ratelimit-remaining-tokens": "6",
        "x-ratelimit-reset-tokens": "51s",
    }


def test_streams_at_the_same_time_are_counted_until_they_end():
    limits, of = RateLimits(Limits(), Clock()), Limits(concurrent_streams=1)
    with (
        limits.running(KEY, of),
        limits.running(("acc", "phone"), of),
        pytest.raises(RateLimitedError, match="the token 'laptop' has used up its 1 concurrent streams") as caught,
        limits.running(KEY, of),
    ):
        pass
    assert (caught.value.retry_after_s, caught.value.metadata["limit"]) == (1, "concurrent-streams")
    with limits.running(KEY, of):
        pass


def test_a_default_holds_where_a_token_says_nothing_and_0_is_no_limit():
    limits = RateLimits(Limits(requests_per_minute=1), Clock())
    assert [bool(asked(limits, Limits())) for _ in range(2)] == [False, True]
    assert [bool(asked(limits, Limits(requests_per_minute=0), ("acc", "free"))) for _ in range(2)] == [False, False]


def test_what_is_remembered_is_bounded_and_what_runs_is_not_forgotten():
    limits, of = RateLimits(Limits(), Clock(), max_remembered=3), Limits(requests_per_minute=1, concurrent_streams=1)
    with limits.running(KEY, of):
        for number in range(9):
            assert asked(limits, of, ("acc", str(number))) == 0
        assert asked(limits, of) > 0
        assert limits.num_remembered == 3


TOKENS = (
    Token("acc", hash_token("two"), "two", limits=Limits(requests_per_minute=2)),
    Token("acc", hash_token("one"), "one", limits=Limits(concurrent_streams=1)),
    Token("acc", hash_token("few"), "few", limits=Limits(tokens_per_minute=20)),
    Token("acc", hash_token("batches"), "batches", limits=Limits(tokens_per_minute=20)),
    Token("*", hash_token("peer"), "bridge"),
)


def by(shown, **more):
    """Metadata of a call with a token."""
    more = {f"x-runstream-{name}": value for name, value in more.items()}
    return (("authorization", f"Bearer {shown}"), *more.items())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def limited(catalog_file, tmp_path_factory):
    """A service whose tokens have limits."""
    folder = tmp_path_factory.mktemp("limited")
    (folder / "tokens").write_text("\n".join(map(str, TOKENS)))
    settings = config(catalog_file, token_file=folder / "tokens", batch_db=str(folder / "batches.sqlite"))
    async with run_service(settings) as service:
        yield service


async def refusal(call):
    """The error of a call that is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error_info(caught.value).reason == "RATE_LIMITED"
    return caught.value


def run(limited, shown, **more):
    return limited.text_generation.Run(ask(max_tokens=1), metadata=by(shown, **more))


@pytest.mark.asyncio(loop_scope="session")
async def test_one_request_too_many_is_refused_with_the_time_to_wait(limited):
    for left in ("1", "0"):
        call = run(limited, "two")
        await call
        told = dict(await call.initial_metadata())
        assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("2", left)
    error = await refusal(run(limited, "two"))
    assert error.details().startswith("the token 'two' has used up its 2 requests per minute: ask again later")
    info, retry = error_info(error), details(error, error_details_pb2.RetryInfo)
    assert (info.metadata["limit"], info.metadata["max"]) == ("requests-per-minute", "2")
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert 1 <= retry.retry_delay.seconds <= 61
    assert dict(error.trailing_metadata())["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_second_stream_at_the_same_time_is_refused_until_the_first_is_left(limited):
    stream = limited.text_generation.RunStream(ask(max_tokens=20_000), metadata=by("one"))
    await stream.read()
    error = await refusal(run(limited, "one"))
    assert error_info(error).metadata["limit"] == "concurrent-streams"
    stream.cancel()
    assert await limited.is_idle()
    await run(limited, "one")


@pytest.mark.asyncio(loop_scope="session")
async def test_tokens_of_a_stream_that_is_left_are_charged(limited):
    stream = limited.text_generation.RunStream(ask(max_tokens=20_000), metadata=by("few"))
    await stream.read()
    stream.cancel()
    assert error_info(await refusal(run(limited, "few"))).metadata["limit"] == "tokens-per-minute"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_batch_is_one_request_whose_items_tokens_are_charged(limited):
    batch = batch_of([ask(max_tokens=1)] * 3, account="")
    created = await limited.batches.CreateBatch(batch, metadata=by("batches"))
    sought = batches_pb2.GetBatchRequest(batch_id=created.batch.id)
    state = created.batch.state
    async with asyncio.timeout(60):
        while state != batches_pb2.BATCH_STATE_DONE:
            state = (await limited.batches.GetBatch(sought, metadata=by("batches"))).batch.state
    assert error_info(await refusal(run(limited, "batches"))).metadata["limit"] == "tokens-per-minute"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_peer_tells_the_token_for_which_it_asks_and_others_may_not(limited):
    told = {"account": "acd", "token": "B%C3%BCro", "limits": "requests-per-minute=1"}
    await run(limited, "peer", **told)
    assert (await refusal(run(limited, "peer", **told))).details().startswith("the token 'Büro' has used up")
    await run(limited, "peer", **(told | {"account": "ace"}))
    for more in ({"token": "x"}, {"limits": "requests-per-minute=1"}):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await run(limited, "one", **more)
        assert error_info(caught.value).reason == "PERMISSION_DENIED"
    for limits in ("requests=1", "requests-per-minute=x", "requests-per-minute=1 requests-per-minute=2"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await run(limited, "peer", limits=limits)
        assert error_info(caught.value).reason == "INVALID_REQUEST"
