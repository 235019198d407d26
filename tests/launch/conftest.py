"""What tests of the launcher share."""

import pytest


@pytest.fixture
def ports(unused_tcp_port_factory):
    """Two free ports."""
    return unused_tcp_port_factory(), unused_tcp_port_factory()
