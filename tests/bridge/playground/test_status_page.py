"""The operator's page in a real browser, before real processes and the demo model."""

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from accounts.tokens import Token, hash_token
from service.catalog import load_catalog
from tests.support.accessibility import serious_violations
from tests.support.processes import needs_pidfd
from tests.support.scripted_engine import scripted_engine_variable
from tests.support.separate_stack import separate_stack

DEMO = "@runstream/demo"
RUN = f"/client/v4/accounts/acc/ai/run/{DEMO}"
LONG = {"prompt": "a secret question", "stream": True, "max_tokens": 1000, "ignore_eos": True}


def until(browser, predicate):
    """Waits until something holds in the page; what is replaced meanwhile is looked for again."""
    return WebDriverWait(browser, 60, poll_frequency=0.1, ignored_exceptions=None).until(predicate)


def text_of(browser, selector):
    """The text of an element, as it is now; empty if there is none."""
    return browser.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)


def figure(browser, name):
    """The number that a tile of the model shows; None while it shows none."""
    shown = text_of(browser, f"[data-figure={name}] .value").removesuffix("%").replace(",", "").strip()
    return float(shown) if shown and shown != "–" else None


def cells(browser, selector):
    """The texts of the cells of each row of a table's body."""
    script = """
        const rows = document.querySelectorAll(`${arguments[0]} tbody tr`);
        return [...rows].map((row) => [...row.children].map((cell) => cell.innerText))"""
    return browser.execute_script(script, selector)


def count_named(browser, name):
    """The count that stands under a name in the model's panel; None while there is none."""
    script = """
        const terms = [...document.querySelectorAll('#models dt')];
        return terms.find((term) => term.innerText === arguments[0])?.nextElementSibling.innerText ?? null"""
    return browser.execute_script(script, name)


def opened(browser, url):
    """The page, once it shows the model."""
    browser.get(f"{url}/status")
    until(browser, lambda page: figure(page, "running") is not None)


@contextmanager
def one_stream_at_a_time(url):
    """A client that asks again whenever its stream has ended, for the body.

    The demo model fills its context before a busy browser has looked once.
    """
    has_left = threading.Event()

    def ask_again():
        while not has_left.is_set():
            with requests.post(url + RUN, json=LONG, stream=True, timeout=60) as response:
                for _ in response.iter_lines():
                    if has_left.is_set():
                        return

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask_again)
        try:
            yield
        finally:
            has_left.set()
        asking.result()


def test_figures_move_while_a_stream_runs_and_the_request_is_told_without_its_content(running_stack, browser):
    opened(browser, running_stack.url)
    with one_stream_at_a_time(running_stack.url):
        until(browser, lambda page: figure(page, "running") == 1 and figure(page, "streams-open") == 1)
        until(browser, lambda page: figure(page, "generated"))
    until(browser, lambda page: figure(page, "running") == 0 and figure(page, "streams-open") == 0)
    answer = requests.post(running_stack.url + RUN, json={"prompt": "a secret question", "max_tokens": 5}, timeout=60)
    request_id = answer.headers["cf-ai-req-id"]
    until(browser, lambda page: request_id[:8] in text_of(page, "#requests"))
    told = next(row for row in cells(browser, "#requests") if row[-1] == request_id[:8])
    assert (told[1], told[2], told[5], told[6]) == ("200", DEMO, "5", "length")
    assert "secret" not in browser.page_source
    drawn = browser.execute_script("return document.querySelector('[data-figure=generated] .line').getAttribute('d')")
    assert drawn.count("L") > 1, "a line of several points"


def test_a_refusal_counts(running_stack, browser):
    opened(browser, running_stack.url)
    before = sum(int(row[2]) for row in cells(browser, "#failures") if row[0] == "CONTEXT_WINDOW_EXCEEDED")
    refused = requests.post(running_stack.url + RUN, json={"prompt": "word " * 20_000}, timeout=60)
    assert refused.status_code == 413
    until(browser, lambda page: ["CONTEXT_WINDOW_EXCEEDED", "1", str(before + 1)] in cells(page, "#failures"))
    until(browser, lambda page: "413" in text_of(page, "#routes"))
    assert cells(browser, "#requests")[0][6].startswith("CONTEXT_WINDOW_EXCEEDED")


def test_models_that_another_stands_in_for_are_listed(running_stack, browser):
    opened(browser, running_stack.url)
    others = [model for model in load_catalog().values() if model.id != DEMO]
    decide = {model.id for model in others if not model.generates_text}
    told = f"{len(others)} other models of the catalog; a stand-in answers for {len(others) - len(decide)}"
    assert text_of(browser, "#other-models summary") == told
    browser.find_element(By.CSS_SELECTOR, "#other-models summary").send_keys(Keys.ENTER)
    rows = {row[0]: row[1] for row in cells(browser, "#other-models")}
    assert rows["@cf/meta/llama-3.1-8b-instruct"] == f"{DEMO} stands in"
    assert {name for name, state in rows.items() if state != f"{DEMO} stands in"} == decide
    assert DEMO not in rows


def test_it_can_be_paused_and_themed_by_keyboard(running_stack, browser):
    opened(browser, running_stack.url)
    pause = browser.find_element(By.ID, "pause")
    pause.send_keys(Keys.ENTER)
    assert pause.text == "Resume"
    requests.post(running_stack.url + RUN, json={}, timeout=60)
    pause.send_keys(Keys.ENTER)
    until(browser, lambda page: "400" in text_of(page, "#routes"))
    browser.find_element(By.ID, "theme").send_keys("Dark")
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("data-theme") == "dark"


def test_everything_comes_from_the_bridge_and_nothing_breaks_its_policy(running_stack, browser):
    opened(browser, running_stack.url)
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map((e) => [e.name, e.decodedBodySize])"
    )
    assert {name.partition("/status")[0].partition("/playground")[0] for name, _ in loaded} == {running_stack.url}
    assert sum(size for name, size in loaded if "/playground/" in name) < 100_000
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_it_keeps_nobody_out(running_stack, browser, colours):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": colours}]}
    )
    opened(browser, running_stack.url)
    requests.post(running_stack.url + RUN, json={}, timeout=60)
    until(browser, lambda page: "400" in text_of(page, "#requests") and "400" in text_of(page, "#routes"))
    browser.find_element(By.CSS_SELECTOR, "#other-models summary").send_keys(Keys.ENTER)
    assert serious_violations(browser) == []


@pytest.mark.parametrize("width", [360, 820, 1400])
def test_it_fits_any_width(running_stack, browser, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    opened(browser, running_stack.url)
    until(browser, lambda page: cells(page, "#requests") or text_of(page, "#no-requests"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def apart():
    """A service and a bridge of their own; the engine computes nothing."""
    with separate_stack() as stack:
        stack.start_service(**scripted_engine_variable())
        stack.start_bridge()
        yield stack


@needs_pidfd
def test_an_engine_that_is_killed_shows_a_restart(apart, browser):
    opened(browser, apart.url)
    assert count_named(browser, "Engine restarts") == "0"
    os.kill(apart.engine_pid, signal.SIGKILL)
    until(browser, lambda page: count_named(page, "Engine restarts") == "1")
    until(browser, lambda page: text_of(page, "#models .badge") == "Ready")


@needs_pidfd
def test_a_service_that_stops_is_told_and_so_is_that_it_is_back(apart, browser):
    opened(browser, apart.url)
    apart.stop("service")
    until(browser, lambda page: "can't be reached" in text_of(page, "#problems"))
    until(browser, lambda page: "--service-metrics" in text_of(page, "#problems"))
    assert text_of(browser, "#live").startswith("Service down")
    assert text_of(browser, "#models .badge") == "State unknown"
    requests.post(apart.url + RUN, json={"prompt": "hi"}, timeout=60)
    until(browser, lambda page: "503" in text_of(page, "#routes"))
    apart.start_service(**scripted_engine_variable())
    until(browser, lambda page: text_of(page, "#problems") == "" and text_of(page, "#models .badge") == "Ready")


def test_a_bridge_that_stops_is_told_and_so_is_that_it_is_back(apart, browser):
    opened(browser, apart.url)
    apart.stop("bridge")
    until(browser, lambda page: "can't be reached" in text_of(page, "#problems"))
    assert text_of(browser, "#live") == "No answer"
    apart.start_bridge()
    until(browser, lambda page: text_of(page, "#problems") == "")


def test_where_tokens_are_needed_it_asks_for_one_and_a_wrong_one_is_told(apart, browser, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{Token('acc', hash_token('right'), 'laptop')}\n")
    apart.stop("bridge")
    apart.start_bridge(RUNSTREAM_BRIDGE_TOKEN_FILE=str(tokens))
    browser.get(f"{apart.url}/status")
    field = until(browser, lambda page: (found := page.find_element(By.ID, "token")).is_displayed() and found)
    assert not browser.find_element(By.ID, "figures").is_displayed()
    assert serious_violations(browser) == []
    field.send_keys("wrong", Keys.ENTER)
    until(browser, lambda page: "does not know this token" in text_of(page, "#token-problem"))
    field.send_keys("right", Keys.ENTER)
    until(browser, lambda page: figure(page, "running") is not None)
    assert not field.is_displayed()
    stored = browser.execute_script("return [JSON.stringify(localStorage), location.href, document.cookie]")
    assert "right" not in json.dumps(stored)
