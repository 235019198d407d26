"""The port of a replica's metrics."""

import socket

import pytest

from service.config import ConfigError, ServiceConfig
from service.ray_serve import metrics_port
from service.ray_serve.metrics_port import with_free_metrics_port


def test_it_is_the_first_that_is_free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = with_free_metrics_port(ServiceConfig(metrics_port=port)).metrics_port
    assert port < found < port + metrics_port.MAX_REPLICAS


def test_none_stays_none():
    assert with_free_metrics_port(ServiceConfig(metrics_port=0)).metrics_port == 0


def test_the_end_of_the_ports_is_told():
    with socket.create_server(("127.0.0.1", 65535)), pytest.raises(ConfigError, match="metrics_port: 65535"):
        with_free_metrics_port(ServiceConfig(metrics_port=65535))
