"""Numbers of seconds are checked where they are given, not by gRPC."""

import math

import pytest
from runstream import AsyncClient, Client

from tests.support.fake_service import DEMO

OUT_OF_RANGE = [math.inf, -math.inf, math.nan, 1e10, 10**400, -1, 0]
NO_NUMBERS = ["5", True, [5], b"5", 5j]
CLIENTS = [Client, AsyncClient]


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("timeout_s", OUT_OF_RANGE)
def test_a_timeout_that_no_call_can_have_is_refused(kind, timeout_s):
    with pytest.raises(ValueError, match=r"^timeout_s is .*: give seconds above 0 and at most 1,000,000,000"):
        kind(timeout_s=timeout_s)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("timeout_s", NO_NUMBERS)
def test_a_timeout_that_is_no_number_is_refused(kind, timeout_s):
    with pytest.raises(TypeError, match=r"^timeout_s is of type .*: give a number of seconds"):
        kind(timeout_s=timeout_s)


CALLS = [
    lambda client, timeout_s: client.run(DEMO, prompt="p", timeout_s=timeout_s),
    lambda client, timeout_s: client.stream(DEMO, prompt="p", timeout_s=timeout_s),
    lambda client, timeout_s: client.count_tokens(DEMO, prompt="p", timeout_s=timeout_s),
    lambda client, timeout_s: client.models.load(DEMO, timeout_s=timeout_s),
    lambda client, timeout_s: client.models.unload(DEMO, timeout_s=timeout_s),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("timeout_s", [*OUT_OF_RANGE, *NO_NUMBERS])
def test_a_call_refuses_them_too(call, timeout_s):
    with Client("127.0.0.1:1") as client, pytest.raises((TypeError, ValueError), match=r"^timeout_s is "):
        call(client, timeout_s)


@pytest.mark.parametrize("name", ["timeout_s", "poll_s"])
@pytest.mark.parametrize("seconds", [*OUT_OF_RANGE[:-1], *NO_NUMBERS])
async def test_a_wait_for_a_batch_refuses_them_too(name, seconds):
    async with AsyncClient("127.0.0.1:1") as client:
        with pytest.raises((TypeError, ValueError), match=f"^{name} is "):
            await client.batches.wait("1", **{name: seconds})
    with Client("127.0.0.1:1") as other, pytest.raises((TypeError, ValueError), match=f"^{name} is "):
        other.batches.wait("1", **{name: seconds})


@pytest.mark.parametrize("timeout_s", [10**9, 1, 0.5, 300.0])
async def test_what_a_call_can_have_is_taken(fake, timeout_s):
    async with AsyncClient(fake.target, timeout_s=timeout_s) as client:
        assert (await client.run(DEMO, prompt="p")).text == "New York"
