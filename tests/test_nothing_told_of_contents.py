"""What a client writes, wherever, is in no process's log, in no metric and not on the operator's page."""

import json
import urllib.request

import grpc
import pytest
import requests
from runstream.v1 import batches_pb2, batches_pb2_grpc, models_pb2, models_pb2_grpc, text_generation_pb2_grpc
from runstream.v1 import text_generation_pb2 as pb

from tests.support.secret_places import BODIES, SECRET, secret_messages
from tests.support.separate_stack import separate_stack

DEMO = "@runstream/demo"
NATIVE = f"/client/v4/accounts/acc/ai/run/{DEMO}"

# What a log may have, cut and quoted: whose request it is, and what it asks.
ALLOWED = {"model", "account", "batch_id"}


def ask_over_http(url, bodies):
    """Sends the secret over each route that takes a body, and in each query and header but names of models."""
    statuses = set()
    for body in bodies:
        for path, asked in (
            (NATIVE, body),
            ("/v1/chat/completions", {"model": DEMO, **body}),
            (f"{NATIVE}?queueRequest=true", {"requests": [body]}),
        ):
            statuses.add(requests.post(url + path, json=asked).status_code)
    for asked in ({"prompt": SECRET}, {"prompt": "x", "suffix": SECRET}, {"prompt": [SECRET], "stop": [SECRET]}):
        statuses.add(requests.post(f"{url}/v1/completions", json={"model": DEMO, "max_tokens": 1, **asked}).status_code)
    for asked in (
        {
            "input": SECRET,
            "metadata": {SECRET: SECRET},
            "user": SECRET,
            "tools": [{"type": "function", "name": SECRET}],
        },
        {"input": [{"type": SECRET}], "tools": [{"type": SECRET}]},
        {"input": SECRET, "metadata": {SECRET: 1}, SECRET: SECRET},
    ):
        statuses.add(requests.post(f"{url}/v1/responses", json={"model": DEMO, **asked}).status_code)
    for stream in (False, True):
        form = {"type": "regex", "regex": f"({SECRET}"}
        asked = {"prompt": SECRET, "stream": stream, "max_tokens": 2}
        statuses.add(requests.post(url + NATIVE, json=asked).status_code)
        statuses.add(requests.post(url + NATIVE, json={**asked, "response_format": form}).status_code)
    requests.post(url + NATIVE, data=f'{{"prompt": "{SECRET}'.encode())
    requests.post(url + NATIVE, json={"prompt": "x"}, headers={"Authorization": f"Bearer {SECRET}", "Cookie": SECRET})
    assert {200, 400} <= statuses


def ask_over_grpc(target):
    """Sends the secret in each field of text of each call."""
    run = pb.RunRequest(model=DEMO, prompt=pb.Prompt(text="x"))
    run.sampling_params.max_tokens = 1
    with grpc.insecure_channel(target) as channel:
        generation = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        batches = batches_pb2_grpc.BatchServiceStub(channel)
        models = models_pb2_grpc.ModelServiceStub(channel)
        item = batches_pb2.BatchItem(request=run)
        calls = (
            (generation.Run, run),
            (generation.RunStream, run),
            (generation.CountTokens, pb.CountTokensRequest(request=run)),
            (batches.CreateBatch, batches_pb2.CreateBatchRequest(model=DEMO, items=[item])),
            (batches.ListBatches, batches_pb2.ListBatchesRequest()),
            (models.ListModels, models_pb2.ListModelsRequest()),
        )
        codes = [call_code(call, message) for call, base in calls for message in secret_messages(base, ALLOWED)]
    assert {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT} <= set(codes)
    assert len(codes) > 40


def call_code(call, message):
    """The status that a call ends with."""
    try:
        if isinstance(call, grpc.UnaryStreamMultiCallable):
            list(call(message, timeout=60))
        else:
            call(message, timeout=60)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def read(url):
    return urllib.request.urlopen(url).read().decode()


@pytest.mark.parametrize(
    ("log_format", "bodies"),
    [
        ("text", BODIES[::6]),
        ("json", BODIES[3::6]),
        pytest.param("text", BODIES, marks=pytest.mark.stress),
        pytest.param("json", BODIES, marks=pytest.mark.stress),
    ],
    ids=["text", "json", "all in text", "all in json"],
)
def test_nothing_that_a_client_writes_is_told_to_an_operator(log_format, bodies):
    with separate_stack() as stack:
        stack.start_service(RUNSTREAM_SERVICE_LOG_FORMAT=log_format)
        stack.start_bridge(RUNSTREAM_BRIDGE_LOG_FORMAT=log_format)
        ask_over_http(stack.url, bodies)
        ask_over_grpc(f"127.0.0.1:{stack.service_port}")
        pages = [read(f"{stack.url}/metrics"), read(f"http://127.0.0.1:{stack.metrics_port}/metrics")]
        pages.append(read(f"{stack.url}/status/data"))
        logs = {name: stack.stop(name) for name in ("bridge", "service")}
    for text in (*pages, *logs.values()):
        assert SECRET not in text
    lines = [line for log in logs.values() for line in log.splitlines()]
    if log_format == "json":
        entries = [json.loads(line) for line in lines]
        assert {entry["process"] for entry in entries} >= {"bridge", "service"}
        assert sum(entry["message"] == "request" for entry in entries) >= 4 * len(bodies)
        assert not [entry for entry in entries if "traceback" in entry]
    else:
        assert sum(" request id=" in line for line in lines) >= 4 * len(bodies)
        assert not [line for line in lines if line.startswith("  ")]
