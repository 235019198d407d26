"""Code that the page shows, copied there and run as it is against the stack that the page talks to.

grpcurl itself is in none of the registries that tests install from, so what runs it is skipped where it is missing. Its
request is sent by buf in any case.
"""

from dataclasses import dataclass

import pytest
import pytest_asyncio
from selenium.webdriver.common.keys import Keys

from accounts.tokens import Token, hash_token
from tests.support.code_writer import code_writer
from tests.support.copied_code import CODE_OF, EACH_KIND, RUN, Place, call_arguments_of, text_of
from tests.support.fake_service import DEMO
from tests.support.running_stack import run_stack

TOKEN = "s3cret"
SYSTEM = 'Don\'t say "no" for $5 or `less`!\nBe brief.'
ENDING = ".turn.assistant .ending"
KEPT = (
    "return Object.values(localStorage).map((kept) => kept[0] === '{' && JSON.parse(kept)).find(({ panes }) => panes)"
)


@dataclass(frozen=True)
class Copied:
    """What the page has shown.

    Attributes:
        codes: By kind.
        answer: The text that it got.
        url: The bridge's.
        token: The bridge's and the service's; empty for none.
    """

    codes: dict[str, str]
    answer: str
    url: str
    token: str


@pytest.fixture(scope="module")
def closed_stack(tmp_path_factory):
    """A stack whose bridge and service want a token."""
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text(f"{Token('acme', hash_token(TOKEN), 'test')}\n")
    service = {"RUNSTREAM_SERVICE_TOKEN": TOKEN, "RUNSTREAM_BRIDGE_SERVICE_TOKEN": TOKEN}
    with run_stack(RUNSTREAM_BRIDGE_TOKEN_FILE=str(tokens), **service) as stack:
        yield stack


async def chat(page, url, token, is_streamed):
    """Asks something on the page; returns the answer."""
    await page.open(url)
    if token:
        await page.write("#token", token)
        await page.press(Keys.ENTER)
    await page.until(".fields", "temperature")
    await page.write('[name="system"]', SYSTEM)
    await page.write('[name="temperature"]', "0")
    if not is_streamed:
        await page.click('[name="stream"]')
    await page.write("#message", "where is new york?")
    await page.press(Keys.ENTER)
    await page.until(ENDING, "cached")
    return (await page.run(KEPT))["panes"][0]["turns"][1]["content"]


async def copy_all(page):
    """Opens the dialog and copies each kind; the clipboard has what is shown."""
    codes = {}
    await page.click("#code")
    for kind in (kind for kind in RUN if kind not in CODE_OF):
        await page.click(f'#code-kinds label:has([value="{kind}"])')
        await page.until("#code-copy", "Copy")
        await page.click("#code-copy")
        await page.until("#code-copy", "Copied")
        codes[kind] = await page.run("return navigator.clipboard.readText()")
        assert codes[kind] == await page.run("return document.getElementById('code-text').textContent")
    return {**codes, **{kind: codes[other] for kind, other in CODE_OF.items()}}


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["open-whole", "open-streamed", "closed-whole", "closed-streamed"],
)
async def copied(request, page):
    is_closed, is_streamed = request.param.startswith("closed"), request.param.endswith("streamed")
    stack = request.getfixturevalue("closed_stack" if is_closed else "running_stack")
    token = TOKEN if is_closed else ""
    permissions = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": stack.url}
    page.browser.execute_cdp_cmd("Browser.grantPermissions", permissions)
    answer = await chat(page, stack.url, token, is_streamed)
    return Copied(await copy_all(page), answer, stack.url, token)


@pytest.mark.parametrize("kind", EACH_KIND)
def test_it_gets_the_answer_that_the_page_got(copied, kind, node, tmp_path):
    place = Place(tmp_path, copied.url, copied.token, node)
    answer = text_of(kind, place.run(kind, copied.codes[kind]))
    assert copied.answer
    assert answer.removesuffix("\n") == copied.answer
    assert TOKEN not in copied.codes[kind]


CITY = {"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]}
TOOL = {"name": "weather", "description": "Tells the weather.", "parameters": CITY}
QUESTION = {"messages": [{"role": "user", "content": "How is the weather in Paris?"}], "temperature": 0}
CALL = {**QUESTION, "tools": [TOOL], "tool_choice": "required", "stream": True}
FORM = {**QUESTION, "response_format": {"type": "json_schema", "json_schema": CITY}}
RAW = {"prompt": "New York is", "raw": True, "max_tokens": 5}


@pytest.fixture(scope="module")
def write(running_stack):
    grpc = {"address": running_stack.service_address, "is_tls": False, "needs_token": False}
    request = {"origin": running_stack.url, "account": "local", "model": DEMO, "needsToken": False, "grpc": grpc}
    with code_writer(request) as writer:
        yield writer


@pytest.mark.parametrize("kind", EACH_KIND)
@pytest.mark.parametrize("body", [CALL, FORM], ids=["tools", "json"])
def test_calls_and_values_are_printed_whole(running_stack, write, kind, body, node, tmp_path):
    code, _ = write(CODE_OF.get(kind, kind), body)
    printed = Place(tmp_path, running_stack.url, "", node).run(kind, code)
    assert "Paris" in (call_arguments_of(kind, printed) if "tools" in body else printed)
    assert ("weather" in printed) == ("tools" in body)


@pytest.mark.parametrize("kind", ["curl", "python-requests", "python-openai", "typescript", "buf curl"])
@pytest.mark.parametrize("body", [QUESTION, RAW], ids=["chat", "raw"])
def test_log_probabilities_are_printed_too(running_stack, write, kind, body, node, tmp_path):
    code, _ = write(CODE_OF.get(kind, kind), {**body, "stream": True}, topLogprobs=2)
    printed = Place(tmp_path, running_stack.url, "", node).run(kind, code)
    assert "logprob" in printed


@pytest.mark.parametrize("kind", ["python-cloudflare", "python-openai"])
def test_half_a_character_keeps_no_sdk_from_sending(running_stack, write, kind, node, tmp_path):
    code, _ = write(kind, {"prompt": "\ud800 Where is New York?", "temperature": 0})
    assert Place(tmp_path, running_stack.url, "", node).run(kind, code).strip()
