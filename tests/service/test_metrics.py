"""What Prometheus gets to read."""

import asyncio
import importlib.metadata
import os
import platform
import signal

import grpc
import pytest
from runstream.v1 import text_generation_pb2 as pb

from tests.support.begun_streams import begun_stream, error_of
from tests.support.engine_states import until
from tests.support.metric_samples import samples
from tests.support.running_service import MODEL, ask, config, run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_metrics_count_what_happened(running):
    port = running.service.metrics_port
    await running.text_generation.Run(ask(max_tokens=7))
    before = await samples(port)
    answer = await running.text_generation.Run(ask(max_tokens=7))
    with pytest.raises(grpc.aio.AioRpcError):
        await running.text_generation.Run(ask(max_tokens=0))
    after = await samples(port)
    grown = {key: value - before.get(key, 0) for key, value in after.items()}
    assert grown["runstream_prompt_tokens_total", MODEL] == answer.usage.prompt_tokens
    assert grown["runstream_prefix_cache_queries_total", MODEL] == answer.usage.prompt_tokens
    assert grown["runstream_prefix_cache_hits_total", MODEL] == answer.usage.cached_prompt_tokens > 0
    assert grown["runstream_generation_tokens_total", MODEL] == 7
    assert grown["runstream_time_to_first_token_seconds_count", MODEL] == 1
    assert grown["runstream_e2e_request_latency_seconds_count", MODEL] == 1
    assert grown["runstream_request_success_total", MODEL, "length"] == 1
    assert grown["runstream_request_failure_total", "INVALID_REQUEST"] == 1


HISTOGRAMS = (
    "request_queue_time_seconds",
    "request_prefill_time_seconds",
    "request_decode_time_seconds",
    "request_inference_time_seconds",
    "request_time_per_output_token_seconds",
    "request_prompt_tokens",
    "request_generation_tokens",
    "request_params_max_tokens",
)


async def test_the_times_of_a_completion_add_up(running):
    port = running.service.metrics_port
    before = await samples(port)
    answer = await running.text_generation.Run(ask(max_tokens=7))
    after = await samples(port)
    grown = {key: value - before.get(key, 0) for key, value in after.items()}
    total = {name: grown[f"runstream_{name}_sum", MODEL] for name in (*HISTOGRAMS, "e2e_request_latency_seconds")}
    assert {grown[f"runstream_{name}_count", MODEL] for name in HISTOGRAMS} == {1}
    assert total["request_prompt_tokens"] == answer.usage.prompt_tokens
    assert total["request_generation_tokens"] == total["request_params_max_tokens"] == 7
    prefill_and_decode = total["request_prefill_time_seconds"] + total["request_decode_time_seconds"]
    assert total["request_inference_time_seconds"] == pytest.approx(prefill_and_decode)
    in_engine = total["request_queue_time_seconds"] + total["request_inference_time_seconds"]
    assert in_engine < total["e2e_request_latency_seconds"]
    assert total["request_time_per_output_token_seconds"] == pytest.approx(total["request_decode_time_seconds"] / 6)


async def test_each_token_but_those_that_come_with_the_first_has_a_time(running):
    key = ("runstream_inter_token_latency_seconds_count", MODEL)
    before = await samples(running.service.metrics_port)
    await running.text_generation.Run(ask(max_tokens=1000))
    after = await samples(running.service.metrics_port)
    assert 500 <= after[key] - before[key] <= 999


async def test_the_tokens_of_each_step_are_counted(running):
    name = "runstream_iteration_tokens_total"
    before = await samples(running.service.metrics_port)
    answer = await running.text_generation.Run(ask(max_tokens=7))
    after = await samples(running.service.metrics_port)
    grown = {key: value - before.get(key, 0) for key, value in after.items() if key[0].startswith(name)}
    num_computed = answer.usage.prompt_tokens - answer.usage.cached_prompt_tokens
    assert grown[f"{name}_sum", MODEL] == num_computed + 7
    assert grown[f"{name}_count", MODEL] == 7
    assert grown[f"{name}_bucket", "1.0", MODEL] == 6


async def test_a_model_tells_its_state_and_how_far_it_is_loaded(running):
    metrics = await samples(running.service.metrics_port)
    states = {key[2]: value for key, value in metrics.items() if key[0] == "runstream_model_state"}
    assert states == {"ready": 1, "loading": 0, "failed": 0, "stopped": 0}
    assert metrics["runstream_model_load_progress", MODEL] == 1
    assert metrics["runstream_num_requests_waiting_by_reason", MODEL, "loading"] == 0


async def test_what_runs_where_is_told(running):
    (build,) = [key for key in await samples(running.service.metrics_port) if key[0] == "runstream_build_info"]
    assert set(build[1:]) == {
        importlib.metadata.version("runstream"),
        platform.python_version(),
        importlib.metadata.version("torch"),
        importlib.metadata.version("transformers"),
        "cpu",
    }


@pytest.mark.parametrize(
    "sent", [b"GET /metrics HTTP/1.0", b"GET /favicon.ico HTTP/1.0", b"GET / HTTP/1.0\r\nX: " + b"a" * 70_000]
)
async def test_the_metrics_tell_no_versions_of_what_serves_them(running, sent):
    reader, writer = await asyncio.open_connection("127.0.0.1", running.service.metrics_port)
    writer.write(sent + b"\r\n\r\n")
    head = (await reader.read()).partition(b"\r\n\r\n")[0]
    writer.close()
    assert b"\r\nServer: Runstream" in head
    assert b"Python" not in head


async def test_an_online_request_preempts_a_batch_one_and_that_is_counted(running):
    key = ("runstream_num_preemptions_total", MODEL)
    before = await samples(running.service.metrics_port)
    batch = pb.RunRequest(priority=pb.PRIORITY_BATCH)
    batch.MergeFrom(ask(max_tokens=20_000))
    calls = [running.text_generation.RunStream(batch) for _ in range(running.engine.config.max_num_seqs)]
    for call in calls:
        await call.read()
    answer = await running.text_generation.Run(ask(max_tokens=7))
    assert answer.usage.completion_tokens == 7
    for call in calls:
        assert (await call.read()).text, "it goes on"
        call.cancel()
    assert await running.is_idle()
    assert (await samples(running.service.metrics_port))[key] == before[key] + 1


async def test_gauges_tell_what_runs_now(running):
    call = running.text_generation.RunStream(ask(max_tokens=20_000))
    await call.read()
    during = await samples(running.service.metrics_port)
    call.cancel()
    assert await running.is_idle()
    after = await samples(running.service.metrics_port)
    assert during["runstream_num_requests_running", MODEL] == 1
    assert after["runstream_num_requests_running", MODEL] == after["runstream_num_requests_waiting", MODEL] == 0
    assert 0 < during["runstream_kv_cache_usage_perc", MODEL] < 1
    assert after["runstream_kv_cache_usage_perc", MODEL] == 0


async def test_an_engine_that_dies_is_counted_once_it_is_started_again(catalog_file, unused_tcp_port_factory):
    settings = config(catalog_file, metrics_port=unused_tcp_port_factory())
    async with run_service(settings) as running:
        port = running.service.metrics_port
        before = await samples(port)
        call = await begun_stream(running)
        os.kill(running.engine_pid, signal.SIGKILL)
        assert (await error_of(call)).code() is grpc.StatusCode.INTERNAL
        await until(running.engine, lambda: running.engine.num_restarts > 0)
        await running.engine.wait_until_ready()
        after = await samples(port)
    assert before["runstream_engine_restarts_total", MODEL] == 0
    assert after["runstream_engine_restarts_total", MODEL] == 1
    assert after["runstream_kv_cache_usage_perc", MODEL] == 0, "of a new cache, which nobody has used"
