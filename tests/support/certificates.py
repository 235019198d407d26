"""A certificate authority of a test's own, and what it signs."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """PEM files of a server, and of the authority that its clients trust."""

    ca: Path
    cert: Path
    key: Path


def write_certificates(folder: Path, names: tuple[str, ...] = ("127.0.0.1", "localhost")) -> Certificates:
    """Makes an authority and a certificate for these names; earlier ones in the folder are replaced."""
    authority = trustme.CA()
    issued = authority.issue_cert(*names)
    files = Certificates(folder / "ca.pem", folder / "service.pem", folder / "service.key")
    authority.cert_pem.write_to_path(files.ca)
    files.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(files.key)
    return files
