"""The token that a bridge may need: asked for, refused if it is wrong, and kept nowhere but in the tab."""

import pytest

from accounts.tokens import Token, hash_token

SECRET = "open sesame"


@pytest.fixture
async def locked(page, start_bridge, service):
    """The page of a bridge that needs a token."""
    bridge = await start_bridge(tokens=(Token("acc", hash_token(SECRET), "test"),))
    await page.open(bridge.url)
    await page.until("#token-dialog")
    return page


async def show_token(page, token):
    await page.write("#token", token)
    await page.click('#token-dialog button[type="submit"]')


async def test_a_bridge_that_needs_a_token_asks_for_it_and_lets_its_account_in(locked, service):
    assert await locked.texts("#token-reason") == []
    await show_token(locked, SECRET)
    await locked.until(".model-state", "Ready")
    await locked.until_gone("#token-dialog")
    await locked.until("#token-button")
    await locked.write("#message", "hello")
    await locked.click("#send")
    await locked.until(".turn.assistant .ending", "cached")
    assert service.metadata["x-runstream-account"] == "acc"


async def test_a_wrong_token_says_so(locked):
    await show_token(locked, "wrong")
    assert "does not know this token" in await locked.until("#token-reason", "token")
    await show_token(locked, SECRET)
    await locked.until(".model-state", "Ready")


async def test_a_token_that_no_longer_counts_is_asked_for_again(locked):
    await show_token(locked, SECRET)
    await locked.until(".model-state", "Ready")
    await locked.run("sessionStorage.setItem('runstream.token', 'wrong')")
    await locked.write("#message", "hello")
    await locked.click("#send")
    await locked.until("#token-reason", "does not know this token")
    assert "Authentication error" in (await locked.texts(".turn.assistant .ending"))[0]


async def test_the_token_outlives_a_reload_but_is_not_kept(locked):
    await show_token(locked, SECRET)
    await locked.until(".model-state", "Ready")
    await locked.run("location.reload()")
    await locked.until(".model-state", "Ready")
    assert SECRET not in await locked.run("return JSON.stringify(localStorage)")


async def test_a_token_may_have_any_characters(page, start_bridge):
    bridge = await start_bridge(tokens=(Token("acc", hash_token("Schlüssel ✓"), "test"),))
    await page.open(bridge.url)
    await page.until("#token-dialog")
    await show_token(page, "Schlüssel ✓")
    await page.until(".model-state", "Ready")


async def test_what_is_sent_without_a_token_waits_for_it(locked):
    await locked.click("#token-cancel")
    await locked.write("#message", "hello")
    await locked.click("#send")
    await locked.until("#token-dialog")
    assert await locked.run("return document.querySelector('#message').value") == "hello"
    assert await locked.texts(".turn") == []
