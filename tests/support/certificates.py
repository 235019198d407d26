"""Certificate authorities of a test's own, and what they sign."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Certificates:
    """PEM files of one end, and of the authority that the other end trusts."""

    ca: Path
    cert: Path
    key: Path


class Authority:
    """An authority that signs certificates into a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca)

    def issue(self, file: str, *names: str, **options: Any) -> Certificates:
        """Writes `file`.pem and `file`.key for these names; earlier ones are replaced."""
        issued = self._authority.issue_cert(*names, **options)
        files = Certificates(self.ca, self._folder / f"{file}.pem", self._folder / f"{file}.key")
        files.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(files.key)
        return files

    def issue_expired(self, file: str, *names: str) -> Certificates:
        """Writes a certificate that ended an hour ago."""
        now = datetime.now(UTC)
        return self.issue(file, *names, not_before=now - timedelta(days=2), not_after=now - timedelta(hours=1))


def write_certificates(folder: Path, names: tuple[str, ...] = LOOPBACK) -> Certificates:
    """Makes an authority and a server's certificate for these names; earlier ones in the folder are replaced."""
    return Authority(folder).issue("service", *names)
