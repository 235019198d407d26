"""The service's page of metrics: read within limits, and only as far as it is shown."""

import gzip

import aiohttp
import pytest

from bridge.playground.metrics_page import MAX_BYTES, MetricsError, fetch_page, figures_of, histogram, read_page
from tests.support.fake_metrics import PAGE
from tests.support.ports import unused_ports

DEMO = "@runstream/demo"


@pytest.fixture
async def session():
    async with aiohttp.ClientSession(auto_decompress=False) as made:
        yield made


async def test_what_is_shown_is_read_and_nothing_else():
    assert await read_page(PAGE) == {
        "models": {
            DEMO: {
                "num_requests_running": 2,
                "kv_cache_usage_perc": 0.25,
                "generation_tokens_total": 40,
                "request_success_total": {"stop": 3, "length": 1},
                "time_to_first_token_seconds": {"count": 4, "sum": 1.5, "buckets": [[0.1, 1], [None, 4]]},
            }
        },
        "failures": {"QUEUE_FULL": 5},
        "batch_items_waiting": 7,
    }


async def test_a_long_page_is_read_as_a_short_one_is():
    assert await read_page(PAGE + "# nothing\n" * 10_000) == await read_page(PAGE)


async def test_numbers_that_json_does_not_have_are_left_out():
    page = f'runstream_kv_cache_usage_perc{{model="{DEMO}"}} NaN\nrunstream_num_batch_items_waiting +Inf\n'
    assert await read_page(page) == {"models": {}, "failures": {}, "batch_items_waiting": 0}


async def test_a_histogram_of_numbers_that_json_does_not_have_is_empty():
    name = "runstream_time_to_first_token_seconds"
    samples = (
        f'{name}_bucket{{model="m",le="NaN"}} 1',
        f'{name}_sum{{model="m"}} NaN',
        f'{name}_count{{model="m"}} +Inf',
    )
    figures = await read_page("\n".join((f"# TYPE {name} histogram", *samples, "")))
    assert figures["models"] == {"m": {"time_to_first_token_seconds": histogram([])}}


def test_no_metrics_are_no_figures():
    assert figures_of([]) == {"models": {}, "failures": {}, "batch_items_waiting": 0}
    assert histogram([]) == {"count": 0, "sum": 0, "buckets": []}


@pytest.mark.parametrize(
    "page", ["<html>It works!</html>", "a{", 'a{b="c} 1', "a b\n", "# TYPE a counter\na_total{} x"]
)
async def test_a_page_that_is_none_of_metrics_is_told_as_such(page):
    with pytest.raises(MetricsError, match="no page of metrics"):
        await read_page(page)


async def test_a_page_comes_as_it_is(session, metrics):
    assert await fetch_page(session, metrics.url) == PAGE


async def test_a_page_that_never_comes_is_not_waited_for(session, metrics):
    metrics.gate.clear()
    with pytest.raises(MetricsError, match="no whole answer within 2 s"):
        await fetch_page(session, metrics.url)


async def test_a_page_that_is_too_large_is_read_no_further(session, metrics):
    metrics.page, metrics.chunks = b"# nothing at all\n" * (MAX_BYTES // 17), 10
    with pytest.raises(MetricsError, match="more than 1048576 bytes"):
        await fetch_page(session, metrics.url)
    await metrics.was_left.wait()


async def test_a_page_that_comes_packed_is_not_unpacked(session, metrics):
    metrics.page, metrics.headers = gzip.compress(bytes(100 * MAX_BYTES)), {"Content-Encoding": "gzip"}
    with pytest.raises(MetricsError, match="no page of metrics"):
        await fetch_page(session, metrics.url)


@pytest.mark.parametrize("status", [206, 302, 404, 500])
async def test_only_the_page_itself_will_do(session, metrics, status):
    metrics.status, metrics.headers = status, {"Location": metrics.url}
    with pytest.raises(MetricsError, match=f"HTTP status {status}"):
        await fetch_page(session, metrics.url)
    assert metrics.num_asked == 1


async def test_that_there_is_no_such_host_is_told_in_words(session):
    with pytest.raises(MetricsError, match="its host is not known"):
        await fetch_page(session, "http://nowhere.invalid/metrics")


async def test_that_nobody_listens_is_told_in_words(session):
    with pytest.raises(MetricsError, match=r"^Connection refused$"):
        await fetch_page(session, f"http://127.0.0.1:{unused_ports(1)[0]}/metrics")
