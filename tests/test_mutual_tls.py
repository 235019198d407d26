"""A real bridge before a real service, each with certificates, and what the service takes the bridge for."""

import pytest

from bridge.config import Config
from service.rpc.ports import address
from tests.support.certificates import LOOPBACK, Authority
from tests.support.running_bridge import PROMPT, running_bridge
from tests.support.running_service import config, run_service

MODEL = "@cf/meta/llama-3.1-8b-instruct"  # whose weights are not here: what is asked needs only to pass the door


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


async def answer(authority, tmp_path, peers):
    """What the bridge answers to a request for the account "acc", where the service trusts these peers."""
    server, shown = authority.issue("service", *LOOPBACK), authority.issue("bridge", "bridge.example")
    settings = config(
        tmp_path,
        catalog_files=(),
        models=("@runstream/demo",),
        load="on-use",
        tls_cert=server.cert,
        tls_key=server.key,
        tls_client_ca=authority.ca,
        tls_peers=peers,
    )
    async with run_service(settings) as running:
        target = address("127.0.0.1", running.service.port)
        asking = Config(service=target, service_ca=authority.ca, service_cert=shown.cert, service_key=shown.key)
        async with running_bridge(asking) as bridge:
            return (await bridge.run(PROMPT, model=MODEL)).error


async def test_a_bridge_whose_certificate_is_a_peers_may_ask_for_its_accounts(authority, tmp_path):
    status, code, message = await answer(authority, tmp_path, ("bridge.example",))
    assert (status, code) == (400, 5007)
    assert "The weights of @cf/meta/llama-3.1-8b-instruct are not on this machine" in message


async def test_a_bridge_that_is_no_peer_may_not_and_its_log_says_what_to_change(authority, tmp_path, caplog):
    assert await answer(authority, tmp_path, ()) == (500, 5000, "AiError: AiError: internal error")
    assert "the service failed: PERMISSION_DENIED: it takes this bridge for no trusted peer, see " in caplog.text
