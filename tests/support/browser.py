"""A real browser for tests of pages. A plugin of pytest's."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver

from tests.support.missing_tools import skip_or_fail

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@contextmanager
def chromium(folder: Path) -> Iterator[webdriver.Chrome]:
    """Chromium without a window, whose console is kept; skips the test where there is none."""
    if not (CHROMIUM and CHROMEDRIVER):
        skip_or_fail("Chromium is not installed: pages are NOT tested")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER)) as chrome:
        yield chrome


@pytest.fixture(scope="session")
def running_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser that all tests of a process share, each with a window of its own."""
    with chromium(tmp_path_factory.mktemp("browser")) as chrome:
        yield chrome


@contextmanager
def fresh_window(chrome: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """Shows a new window, with nothing kept, allowed or logged from before; it is closed afterwards."""
    before = chrome.current_window_handle
    chrome.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
    for command in ("Network.clearBrowserCookies", "Network.clearBrowserCache", "Browser.resetPermissions"):
        chrome.execute_cdp_cmd(command, {})
    chrome.switch_to.new_window("tab")
    for kind in ("browser", "performance"):
        chrome.get_log(kind)  # what was read is kept no longer
    try:
        yield chrome
    finally:
        chrome.close()
        chrome.switch_to.window(before)


@pytest.fixture
def browser(running_browser: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """A browser with a window of the test's own."""
    with fresh_window(running_browser) as chrome:
        yield chrome
