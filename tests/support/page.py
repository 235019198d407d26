"""A page in a real browser, for asynchronous tests: what blocks happens in a thread. A plugin of pytest's."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.browser import fresh_window

PATIENCE_S = 60.0
ANSWER = ".turn.assistant .content"
ENDING = ".turn.assistant .ending"


class Page:
    """What a user sees of a page, and does with it. Selectors are those of CSS; of several elements the last counts."""

    def __init__(self, browser: webdriver.Chrome) -> None:
        self.browser = browser

    async def open(self, url: str, width: int = 1280, height: int = 800) -> None:
        """Opens a page in a window of that size, with nothing kept from before."""

        def steps() -> None:
            # A window can't be as narrow as a phone.
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            self.browser.get(urljoin(url, "/healthz"))  # of the same origin, and quicker there than the page
            self.browser.execute_script("localStorage.clear(); sessionStorage.clear()")
            self.browser.get(url)

        await asyncio.to_thread(steps)

    async def click(self, selector: str) -> None:
        """Clicks on what is there, or comes."""
        await self.until(selector)
        await asyncio.to_thread(lambda: self._find(selector).click())

    async def write(self, selector: str, text: str) -> None:
        """Writes into a field instead of what is in it."""

        def steps() -> None:
            field = self._find(selector)
            field.clear()
            field.send_keys(text)

        await self.until(selector)
        await asyncio.to_thread(steps)

    async def press(self, *keys: str) -> None:
        """Presses keys, wherever the focus is."""
        await asyncio.to_thread(lambda: ActionChains(self.browser).send_keys(*keys).perform())

    async def chord(self, modifier: str, key: str) -> None:
        """Presses a key while another is held."""
        keys = ActionChains(self.browser).key_down(modifier).send_keys(key).key_up(modifier)
        await asyncio.to_thread(keys.perform)

    async def texts(self, selector: str) -> list[str]:
        """The texts of what is shown."""

        def found() -> list[str]:
            elements = self.browser.find_elements(By.CSS_SELECTOR, selector)
            return [element.text for element in elements if element.is_displayed()]

        return await asyncio.to_thread(found)

    async def run(self, script: str, *arguments: object) -> Any:
        """What a function body of JavaScript returns."""
        return await asyncio.to_thread(self.browser.execute_script, script, *arguments)

    async def until(self, selector: str, text: str = "") -> str:
        """Waits until something is shown that has a text in it; returns all of its text."""
        try:
            return str(await self._until(lambda: self._shown(selector, text)))
        except TimeoutException:
            shown = await self.texts("body")
            raise AssertionError(f"no {selector} with {text!r} on the page, but: {shown}") from None

    async def until_gone(self, selector: str) -> None:
        """Waits until nothing of that kind is shown."""
        await self._until(lambda: not self._is_displayed(selector))

    async def _until(self, condition: Callable[[], object]) -> object:
        ignored = (NoSuchElementException, StaleElementReferenceException)
        wait = WebDriverWait(self.browser, PATIENCE_S, poll_frequency=0.05, ignored_exceptions=ignored)
        return await asyncio.to_thread(lambda: wait.until(lambda _: condition()))

    def _find(self, selector: str) -> WebElement:
        elements = self.browser.find_elements(By.CSS_SELECTOR, selector)
        if not elements:
            raise NoSuchElementException(selector)
        return elements[-1]

    def _is_displayed(self, selector: str) -> bool:
        elements = self.browser.find_elements(By.CSS_SELECTOR, selector)
        return any(element.is_displayed() for element in elements)

    def _shown(self, selector: str, text: str) -> str:
        element = self._find(selector)
        shown = element.text
        return shown or "(empty)" if element.is_displayed() and text in shown else ""


@pytest.fixture(scope="module")
def page(running_browser: webdriver.Chrome) -> Iterator[Page]:
    """A page in a window that the tests of a module share."""
    with fresh_window(running_browser) as browser:
        yield Page(browser)


async def send(page: Page, text: str = "where is new york?") -> None:
    """Types a message, and sends it by Enter."""
    await page.write("#message", text)
    await page.press(Keys.ENTER)
