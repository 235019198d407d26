"""What the tests of all clients share: a stack that wants TLS and a token."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import write_certificates
from tests.support.running_stack import run_stack

TOKEN = "a-token-of-the-test"


@dataclass(frozen=True)
class SecureStack:
    """A service and the bridge before it.

    Attributes:
        service_address: Host and port of the service.
        ca: The certificate of the authority of its certificate.
        token: What it wants to be shown.
    """

    service_address: str
    ca: Path
    token: str


@pytest.fixture(scope="session")
def secure_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureStack]:
    """Service and bridge with the demo model, which speak TLS with each other and want a token."""
    files = write_certificates(tmp_path_factory.mktemp("secure_stack"))
    settings = {
        "RUNSTREAM_SERVICE_TLS_CERT": str(files.cert),
        "RUNSTREAM_SERVICE_TLS_KEY": str(files.key),
        "RUNSTREAM_BRIDGE_SERVICE_CA": str(files.ca),
        "RUNSTREAM_SERVICE_TOKEN": TOKEN,
        "RUNSTREAM_BRIDGE_SERVICE_TOKEN": TOKEN,
    }
    with run_stack(**settings) as stack:
        yield SecureStack(stack.service_address, files.ca, TOKEN)
