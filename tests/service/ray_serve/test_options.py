"""The options of a replica, as Ray's config file names them."""

import pytest

from service.config import ConfigError
from service.ray_serve.options import config_of

OPEN = {"allow_anonymous": True}


def test_options_have_the_command_line_s_names_and_values():
    config = config_of({"models": ["@runstream/demo", "@cf/a"], "max_waiting": 7, "devices": "cpu", **OPEN})
    assert (config.models, config.max_waiting, config.devices) == (("@runstream/demo", "@cf/a"), 7, ("cpu",))
    assert config.batch_db == "none"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"max_wating": 7}, "--max-wating"),
        ({"max_waiting": "many"}, "'many' is not a valid integer"),
        ({"load": "sometimes"}, "'sometimes' is not one of"),
        ({"port": 1, "tls_cert": "a.pem"}, "port, tls_cert: a replica behind Ray's proxy has no such option"),
    ],
)
def test_what_can_t_be_meant_is_refused(arguments, told):
    with pytest.raises(ConfigError, match=told):
        config_of({**arguments, **OPEN})


def test_ray_s_proxy_lets_the_network_in_so_a_token_is_needed(monkeypatch):
    monkeypatch.delenv("RUNSTREAM_SERVICE_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="lets other machines in without a token"):
        config_of({})
    with pytest.raises(ConfigError, match="tokens sent in clear text"):
        config_of({"token": "a-token"})
    monkeypatch.setenv("RUNSTREAM_SERVICE_TOKEN", "a-token")
    assert config_of({"allow_plaintext_token": True}).token == "a-token"
