"""The documentation's pages in a real browser, which the documentation's Workers fill token by token."""

import html
import json

import pytest
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE_S = 60
CONNECTING, OPEN, CLOSED = range(3)
PAGES = {"/page": "Kernighan", "/page-of-the-blog": "United States"}


def texts_of(stream):
    """The texts of the events of a stream that ends with [DONE]."""
    *events, done, rest = stream.decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: "))["response"] for event in events]


@pytest.fixture
def look(browser):
    """Evaluates an expression in the page."""
    return lambda expression: browser.execute_script(f"return {expression}")


@pytest.mark.parametrize(("path", "fact"), PAGES.items())
def test_the_page_fills_as_the_answer_comes(relayed_site, browser, look, path, fact):
    relay = relayed_site.relay
    relay.forget()
    relay.gate.clear()
    browser.get(relayed_site.url + path)
    wait = WebDriverWait(browser, PATIENCE_S)
    beginning = wait.until(lambda _: look("el.innerHTML"))
    assert look("source.readyState") == OPEN
    relay.gate.set()
    wait.until(lambda _: look("source.readyState") == CLOSED)
    shown, whole = look("shown"), html.unescape(look("el.innerHTML"))
    (stream,) = relay.bodies
    texts = texts_of(stream)
    assert whole == "".join(texts)
    assert fact in whole
    assert html.unescape(beginning) == texts[0]
    assert shown == ["".join(texts[: number + 1]) for number in range(len(texts))]
