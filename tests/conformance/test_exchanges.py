"""Every exchange of the suite is answered as its file says."""

import asyncio

import pytest

from accounts.tokens import Token, hash_token
from bridge.config import Config
from tests.conformance.exchanges import Target, read_exchanges, send
from tests.support.running_bridge import running_bridge

TARGET = Target("", "0123456789abcdef", "secret", "@cf/meta/llama-3.1-8b-instruct")
EXCHANGES = {exchange.name: exchange for exchange in read_exchanges(TARGET)}


@pytest.mark.parametrize("name", EXCHANGES)
async def test_an_exchange_is_answered_as_its_file_says(running_stack, name):
    tokens = (Token(TARGET.account, hash_token(TARGET.token), "tests"),)
    async with running_bridge(Config(service=running_stack.service_address), tokens) as bridge:
        target = Target(bridge.url, TARGET.account, TARGET.token, TARGET.model)
        answer = await asyncio.to_thread(send, target, EXCHANGES[name].request)
    assert answer == EXCHANGES[name].answer
    assert str(answer) == str(EXCHANGES[name].answer), "the keys are in another order"


def test_no_two_exchanges_have_one_name():
    assert len(EXCHANGES) == len(read_exchanges(TARGET))
