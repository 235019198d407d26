"""Why a connection could not be made, told by the words of the library that tried."""

import re
from collections.abc import Mapping
from typing import Final, Literal

Mistake = Literal["no TLS given", "TLS given", "other host", "unknown authority"]
"""What the caller gave that does not fit what the service speaks."""

# A wrong host is told as a certificate that can't be verified, too: its pattern comes first.
_SIGNS: Final[Mapping[str, Mistake]] = {
    r"Hostname Verification Check failed|CERTIFICATE_VERIFY_FAILED.*mismatch": "other host",
    r"CERTIFICATE_VERIFY_FAILED": "unknown authority",
    r"WRONG_VERSION_NUMBER": "TLS given",
    # A service of TLS closes what does not begin with a handshake. Without "last error" a call had begun.
    r"last error: .*(Socket closed|Connection reset by peer|Broken pipe)": "no TLS given",
}
_ADVICE: Final[Mapping[Mistake, str]] = {
    "no TLS given": "does the service speak TLS? give tls, or cert and key where it asks for a certificate",
    "TLS given": "the service speaks no TLS there: give no tls",
    "other host": "the certificate is for other hosts: give a target that it names",
    "unknown authority": "the certificate is of no authority that is trusted: give tls the path of its CA",
}


def mistake(details: str) -> Mistake | None:
    """The caller's mistake for which a connection failed; None if it is none, as where nobody listens.

    Args:
        details: What gRPC or aiohttp tells of the failure.
    """
    return next((found for sign, found in _SIGNS.items() if re.search(sign, details)), None)


def advised(details: str) -> str:
    """What a library tells of a failure, behind what to change, if that is known."""
    found = mistake(details)
    return f"{_ADVICE[found]}: {details}" if found else details
