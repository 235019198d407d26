"""Every language sees the same values: its programs ask a fake service, which knows what came, and the real one."""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from runstream.v1 import text_generation_pb2 as pb

from tests.clients.contract import MODEL, PARTS, REQUESTS, RESPONSE, SAMPLING_PARAMS, UNICODE, run_program
from tests.support.certificates import write_certificates
from tests.support.client_builds import TOOLCHAINS, built
from tests.support.fake_service import FakeService, failure, last_part, part, running
from tests.support.metric_samples import samples
from tests.support.running_service import RunningService, config, run_service
from tests.support.scripted_engine import scripted_engine

OK, CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED = 0, 1, 4, 8
LARGEST_MESSAGE = 16 << 20
TOKEN = "a-token"


@pytest.fixture(params=TOOLCHAINS)
def programs(request):
    """The programs of each language."""
    return built(request.param)


@pytest.fixture
async def fake():
    """A service that answers with every field of an answer."""
    service = FakeService()
    service.answer, service.parts = RESPONSE, list(PARTS)
    async with running(service):
        yield service


@pytest.fixture
async def program(programs, fake):
    """A language's program that asks it."""
    async with run_program(programs.contract, fake.target, TOKEN) as started:
        yield started


async def start_example(programs, address, ca="", token=""):
    """Starts a language's example."""
    return await asyncio.create_subprocess_exec(
        *programs.example_for(address, ca),
        env={**os.environ, "RUNSTREAM_TOKEN": token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def test_a_case_sets_every_sampling_parameter():
    assert {field.name for field, _ in SAMPLING_PARAMS.ListFields()} == set(pb.SamplingParams.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("method", ["Run", "RunStream"])
async def test_the_service_gets_what_was_asked(program, fake, method):
    for request in REQUESTS.values():
        assert (await program.ask(request, method)).status.code == OK
    assert fake.requests == list(REQUESTS.values())
    assert fake.metadata["authorization"] == f"Bearer {TOKEN}"


async def test_the_client_gets_what_was_answered(program):
    whole = await program.ask(REQUESTS["prompt"])
    parts = await program.ask(REQUESTS["prompt"], "RunStream")
    assert whole.response == RESPONSE
    assert parts.parts == PARTS


@pytest.mark.parametrize("method", ["Run", "RunStream"])
async def test_the_client_gets_an_error_with_its_details(program, fake, method):
    fake.status = failure(grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", UNICODE, retry_after_s=7, field="model")
    outcome = await program.ask(REQUESTS["prompt"], method)
    assert outcome.status == fake.status
    assert outcome.parts == (PARTS if method == "RunStream" else [])


async def test_a_client_that_cancels_is_gone_for_the_service_too(program, fake):
    fake.gate.clear()
    outcome = await program.ask(REQUESTS["prompt"], "RunStream", cancel_after=1)
    assert outcome.status.code == CANCELLED
    assert outcome.parts == PARTS[:1]
    await fake.cancelled.wait()


async def test_parts_that_arrived_before_a_cancel_but_were_not_read_are_dropped(program, fake):
    large, small = (pb.RunStreamResponse(id="1", text="x" * num_bytes) for num_bytes in (1 << 20, 1 << 12))
    # While the first is printed, others arrive; all are more than a client takes in before it reads.
    fake.parts = [large, *[small] * (LARGEST_MESSAGE >> 12)]
    outcome = await program.ask(REQUESTS["prompt"], "RunStream", cancel_after=1)
    assert outcome.status.code == CANCELLED
    assert outcome.parts == fake.parts[:1]
    await fake.cancelled.wait()


@pytest.mark.parametrize("method", ["Run", "RunStream"])
async def test_a_deadline_ends_the_call_on_both_sides(program, fake, method):
    await program.ask(REQUESTS["prompt"])  # once it is connected, a call arrives long before its deadline
    fake.gate.clear()
    fake.requests.clear()
    outcome = await program.ask(REQUESTS["prompt"], method, timeout_s=1)
    assert outcome.status.code == DEADLINE_EXCEEDED
    if fake.requests:  # on a machine that is too busy for that, there was no call to end
        await fake.cancelled.wait()


async def test_an_answer_of_16_mib_arrives_and_a_larger_one_is_refused(program, fake):
    fake.answer = pb.RunResponse(text="x" * (LARGEST_MESSAGE - 5))
    assert fake.answer.ByteSize() == LARGEST_MESSAGE
    assert (await program.ask(REQUESTS["prompt"])).response == fake.answer
    fake.answer.text += "x"
    assert (await program.ask(REQUESTS["prompt"])).status.code == RESOURCE_EXHAUSTED


async def test_an_example_without_a_token_sends_none(programs, fake):
    process = await start_example(programs, fake.target)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert "authorization" not in fake.metadata


class CancelsStreams(FakeService):
    """A service that cancels each stream by itself."""

    async def RunStream(self, request, context):  # noqa: N802
        """Answers CANCELLED and no part."""
        await context.abort(grpc.StatusCode.CANCELLED, "by the service")
        yield


async def test_an_example_fails_where_it_was_not_the_one_that_left_the_stream(programs):
    service = CancelsStreams()
    async with running(service):
        process = await start_example(programs, service.target)
        await process.communicate()
    assert process.returncode != 0


SECURITY = {"plain text": (False, ""), "a token": (False, TOKEN), "TLS": (True, ""), "TLS and a token": (True, TOKEN)}


# Together these two have all that there is; `make stress` has the others, too.
COMBINED = ("a token", "TLS and a token")
WAYS = [way if way in COMBINED else pytest.param(way, marks=pytest.mark.stress) for way in SECURITY]


@pytest_asyncio.fixture(params=WAYS, scope="session", loop_scope="session")
async def real(request, tmp_path_factory, unused_tcp_port_factory):
    """The real service with the demo model, in each way to reach it."""
    async with run_real(request.param, tmp_path_factory, unused_tcp_port_factory()) as started:
        yield started


@pytest_asyncio.fixture(params=WAYS, scope="session", loop_scope="session")
async def slow(request, tmp_path_factory, unused_tcp_port_factory):
    """The real service with an engine that takes 20 s to fill the model's context."""
    port = unused_tcp_port_factory()
    async with run_real(request.param, tmp_path_factory, port, engine_command=scripted_engine(50)) as started:
        yield started


@contextlib.asynccontextmanager
async def run_real(way, tmp_path_factory, metrics_port, **changes):
    """Starts the real service, to be reached in a way."""
    has_tls, token = SECURITY[way]
    files = write_certificates(tmp_path_factory.mktemp("certificates")) if has_tls else None
    settings = config(
        Path(),
        catalog_files=(),
        models=(MODEL,),
        metrics_port=metrics_port,
        tls_cert=files and files.cert,
        tls_key=files and files.key,
        token=token,
        **changes,
    )
    async with run_service(settings) as service:
        yield Real(service, f"127.0.0.1:{service.service.port}", token, str(files.ca) if files else "")


@dataclass
class Real:
    """The real service, and what its clients must know."""

    running: RunningService
    address: str
    token: str
    ca: str

    async def metric(self, name: str, *labels: str) -> float:
        """A metric of the engine's as Prometheus reads it; 0 before it was ever counted."""
        found = await samples(self.running.service.metrics_port)
        return found.get((f"runstream_{name}", *labels), 0.0)


@pytest.mark.asyncio(loop_scope="session")
async def test_the_example_gets_what_it_asks_for(programs, real):
    process = await start_example(programs, real.address, real.ca, real.token)
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    health, whole, streamed, beginning, deadline, error = output.decode().splitlines()
    text = whole.rpartition(" (")[0]
    assert "United States" in text
    assert streamed == text
    assert beginning
    assert text.startswith(beginning)  # all of it, where the service had more than one token ready for each part
    assert health == "health: SERVING"
    assert deadline.upper().replace("_", "") == "DEADLINE: DEADLINEEXCEEDED"
    assert error == "error: MODEL_NOT_FOUND"


async def test_an_example_leaves_a_stream_after_its_third_part(programs, fake):
    fake.answer = FakeService().answer
    fake.parts = [*map(part, "abcd"), last_part()]
    process = await start_example(programs, fake.target)
    output, _ = await process.communicate()
    _, _, streamed, beginning, *_ = output.decode().splitlines()
    assert (streamed, beginning) == ("abcd", "abc")


@pytest.mark.asyncio(loop_scope="session")
async def test_the_real_service_answers_whole_and_in_parts_alike(programs, real):
    request = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text="Where is New York?"))
    request.sampling_params.seed = 2**53 + 1
    async with run_program(programs.contract, real.address, real.token, real.ca) as program:
        whole = await program.ask(request)
        parts = await program.ask(request, "RunStream")
    assert whole.response is not None
    assert whole.response.text == "".join(part.text for part in parts.parts) != ""
    assert whole.response.usage.completion_tokens == parts.parts[-1].usage.completion_tokens


@pytest.mark.asyncio(loop_scope="session")
async def test_a_cancel_after_three_parts_frees_the_engine(programs, slow):
    request = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text="Tell me a story"))
    request.sampling_params.MergeFrom(pb.SamplingParams(max_tokens=900, ignore_eos=True))
    cancels = await slow.metric("request_failure_total", "CANCELLED")
    async with run_program(programs.contract, slow.address, slow.token, slow.ca) as program:
        outcome = await program.ask(request, "RunStream", cancel_after=3)
        assert (outcome.status.code, len(outcome.parts)) == (CANCELLED, 3)
        assert await slow.running.is_idle()
    assert await slow.metric("request_failure_total", "CANCELLED") == cancels + 1
    assert await slow.metric("num_requests_running", MODEL) == 0


# Of security the limit knows nothing, and writing 16 MiB takes its time in each language.
@pytest.mark.parametrize("real", ["TLS and a token"], indirect=True, scope="session")
@pytest.mark.asyncio(loop_scope="session")
async def test_a_question_of_more_than_16_mib_is_refused(programs, real):
    request = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text="x" * LARGEST_MESSAGE))
    async with run_program(programs.contract, real.address, real.token, real.ca) as program:
        assert (await program.ask(request)).status.code == RESOURCE_EXHAUSTED
