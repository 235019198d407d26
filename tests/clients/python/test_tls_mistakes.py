"""A client whose TLS is not the service's is told what to change, in a program and in a terminal."""

import asyncio

import pytest
from runstream import AsyncClient, Client, UnreachableError

from tests.support.fake_service import DEMO
from tests.support.terminals import runstream
from tests.support.tls_mistakes import MISTAKES, mistakes

IN_PROGRAMS = dict(
    zip(
        MISTAKES,
        (
            "does the service speak TLS? give tls",
            "the service speaks no TLS there: give no tls",
            "the certificate is for other hosts: give a target that it names",
            "the certificate is of no authority that is trusted: give tls the path of its CA",
        ),
        strict=True,
    )
)
IN_TERMINALS = dict(
    zip(
        MISTAKES,
        (
            "does the service speak TLS? give --tls or --ca",
            "it speaks no TLS there: leave out --tls and --ca",
            "its certificate is for other hosts: give --target or --url as it names them",
            "its certificate is of no authority that is trusted: give that authority's as --ca",
        ),
        strict=True,
    )
)


async def terminal_tells(*options):
    """What a command tells in the one line of its failure."""
    done = await asyncio.to_thread(runstream, "run", *options, "-m", DEMO, "--timeout", 30, "where?")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (4, "")
    return line


async def test_a_program_is_told_what_to_change(tmp_path):
    async with mistakes(tmp_path) as made:
        for name, each in made.items():
            async with AsyncClient(each.target, tls=each.ca, max_attempts=1) as client:
                with pytest.raises(UnreachableError) as caught:
                    await client.run(DEMO, prompt="p")
                assert caught.value.message.startswith(IN_PROGRAMS[name])
                assert caught.value.message.endswith(f": {caught.value.details}")
            with Client(each.target, tls=each.ca, max_attempts=1) as other:
                with pytest.raises(UnreachableError) as caught:
                    await asyncio.to_thread(other.stream(DEMO, prompt="p").result)
                assert caught.value.message.startswith(IN_PROGRAMS[name])


async def test_a_command_by_grpc_tells_what_to_change(tmp_path):
    async with mistakes(tmp_path) as made:
        options = [["--target", each.target, *(["--ca", each.ca] if each.ca else [])] for each in made.values()]
        # At once, since each tries again for seconds.
        lines = await asyncio.gather(*(terminal_tells(*each) for each in options))
        for (name, each), line in zip(made.items(), lines, strict=True):
            assert f"no connection to {each.target}, {IN_TERMINALS[name]}" in line


async def test_a_command_by_rest_tells_what_to_change(tmp_path):
    async with mistakes(tmp_path) as made:
        for name, each in made.items():
            url = f"{'https' if each.ca else 'http'}://{each.target}"
            line = await terminal_tells("--url", url, *(["--ca", each.ca] if each.ca else []))
            assert f"no connection to {url}, {IN_TERMINALS[name]}" in line


async def test_what_grpc_logs_is_seen_by_who_asks_for_it(tmp_path):
    async with mistakes(tmp_path) as made:
        untrusted = made["unknown authority"]
        command = ["run", "--target", untrusted.target, "--ca", untrusted.ca, "where?"]
        done = await asyncio.to_thread(runstream, *command, GRPC_VERBOSITY="INFO")
    assert "Handshake failed" in done.stderr
