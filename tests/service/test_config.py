"""The settings, made without the command line."""

import os

from service.__main__ import main
from service.config import DEFAULTS, ServiceConfig

_NOT_SETTINGS = {"allow_anonymous", "allow_plaintext_token"}


def test_the_command_line_has_the_config_s_defaults(monkeypatch):
    for name in [it for it in os.environ if it.startswith("RUNSTREAM_SERVICE_")]:
        monkeypatch.delenv(name)
    asked = {
        name: value for name, value in main.make_context("service", []).params.items() if name not in _NOT_SETTINGS
    }
    assert asked.pop("max_connections") == 0  # as many as the limit of open files allows, see `most_connections`
    assert ServiceConfig(**asked) == DEFAULTS


def test_a_config_needs_nothing_told():
    assert ServiceConfig() == DEFAULTS
    assert ServiceConfig(port=1).models == DEFAULTS.models
