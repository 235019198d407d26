"""Several hundred bodies that are wrong, through the whole chain: each is refused with a code, and no more."""

import io
import json
import logging

import pytest

from bridge.http.access_log import ClientMistakes
from tests.support.malformed_bodies import SHARED, SHARED_KINDS, malformed
from tests.support.running_service import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="session")

NATIVE = malformed(
    {**SHARED, "raw": False, "options": {}},
    {**SHARED_KINDS, "/raw": ("null", "boolean"), "/options": ("null", "object")},
)
CHAT = malformed(
    {**SHARED, "model": MODEL, "n": 1, "logprobs": False, "stream_options": {}},
    {
        **SHARED_KINDS,
        "/model": ("string",),
        "/n": ("null", "integer"),
        "/logprobs": ("null", "boolean"),
        "/stream_options": ("null", "object"),
        "/messages/0/content/0/type": (),
        "/messages/0/role": (),
    },
)
FACES = {
    f"/client/v4/accounts/acc/ai/run/{MODEL}": NATIVE,
    "/client/v4/accounts/acc/ai/v1/chat/completions": CHAT,
    "/v1/chat/completions": CHAT,
}
ALIVE = {"prompt": "Where is New York?", "max_tokens": 1}


@pytest.fixture(autouse=True)
def _log(caplog):
    """Fails a test that leaves a traceback in the log; with the filter that the process has."""
    server_log, mistakes = logging.getLogger("aiohttp.server"), ClientMistakes()
    server_log.addFilter(mistakes)
    yield
    server_log.removeFilter(mistakes)
    assert not [record for record in caplog.records if record.exc_info]


def is_refusal(answer, wrong):
    """Whether it is one in the surface's own shape, and for what is wrong."""
    if not 400 <= answer.status < 500 or answer.headers["Content-Type"] != "application/json":
        return False
    body = json.loads(answer.body)
    failure = body["error"] if "error" in body else body["errors"][0]
    return (failure["code"] or failure["type"] == "invalid_request_error") and wrong.place in failure["message"]


async def post(chain, path, wrong):
    return await chain.bridge.ask("POST", path, data=io.BytesIO(wrong.body), headers=dict(wrong.headers))


@pytest.mark.parametrize("kind", NATIVE)
@pytest.mark.parametrize("path", FACES)
async def test_each_is_refused_for_what_is_wrong_and_the_next_request_answered(chain, path, kind):
    answers = {wrong.name: (await post(chain, path, wrong), wrong) for wrong in FACES[path][kind]}
    assert not {name: answer for name, (answer, wrong) in answers.items() if not is_refusal(answer, wrong)}
    assert (await chain.ask(**ALIVE)).status == 200


async def test_the_engine_has_not_noticed(chain):
    pid = chain.engine.pid
    for wrong in NATIVE["of_sizes"]:
        await post(chain, next(iter(FACES)), wrong)
    assert chain.engine.pid == pid
    await chain.until_idle()


async def test_they_are_many():
    assert all(len({wrong.body for kind in bodies.values() for wrong in kind}) > 300 for bodies in (NATIVE, CHAT))
