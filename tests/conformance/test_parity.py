"""`make parity`, against a Runstream and against a server that is none."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from accounts.tokens import Token, hash_token
from bridge.config import Config
from tests.conformance.exchanges import FOLDER
from tests.support.running_bridge import running_bridge

ROOT = Path(__file__).parents[2]


def parity(base, token="secret"):
    """Runs it; returns its exit status and all that it says."""
    environment = {**os.environ, "BASE": base, "ACCOUNT": "acc", "TOKEN": token}
    command = [sys.executable, "-m", "tests.conformance.parity"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def number_of_exchanges():
    """How many there are, seen from outside."""
    return sum(path.read_text().count('"request": {') for path in FOLDER.glob("*.json"))


async def test_two_runstreams_do_not_differ(running_stack):
    tokens = (Token("acc", hash_token("secret"), "tests"),)
    async with running_bridge(Config(service=running_stack.service_address), tokens) as bridge:
        status, said = await asyncio.to_thread(parity, bridge.url)
    assert (status, said.count("same ")) == (0, number_of_exchanges()), said


async def answer_otherwise(request):
    """A server that knows every token and gives one wrong answer to everything."""
    if request.path.endswith(("/verify", "/search")):
        return web.json_response({"result": [], "success": True, "errors": [], "messages": []})
    return web.json_response({"success": True, "result": {"response": 4}})


async def test_each_difference_is_printed_and_the_exit_status_is_1():
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer_otherwise)
    async with TestServer(app) as server:
        status, said = await asyncio.to_thread(parity, f"{server.make_url('/')}client/v4")
    assert status == 1
    a_prompt = said.split("DIFFERENT  a prompt\n")[1].split("DIFFERENT")[0]
    assert '/headers/content-type: "application/json; charset=utf-8" there, "application/json" here' in a_prompt
    assert "/body: keys success, result there, result, success, errors, messages here" in a_prompt
    assert "deliberate the model's slashes encoded: Workers AI answers 7000" in said


@pytest.mark.parametrize(("token", "words"), [("wrong", "refuses the token: give another TOKEN (401")])
async def test_a_token_that_is_refused_is_told_before_anything_is_started(running_stack, token, words):
    tokens = (Token("acc", hash_token("secret"), "tests"),)
    async with running_bridge(Config(service=running_stack.service_address), tokens) as bridge:
        status, said = await asyncio.to_thread(parity, bridge.url, token)
    assert (status, words in said) == (1, True), said


def test_a_server_that_is_not_there_is_told(unused_tcp_port):
    status, said = parity(f"http://127.0.0.1:{unused_tcp_port}")
    assert (status, "can't be reached (ConnectionError): check BASE" in said) == (1, True), said
