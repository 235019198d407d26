"""The files of certificates: what is wrong with them, and when they are read again."""

import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.support.certificates import Authority, write_certificates
from tests.support.repository import ROOT
from transport.certificates import (
    CertificateError,
    CertificateFiles,
    PemFile,
    client_files,
    identity_of,
    read_certificates,
    server_files,
)


@pytest.fixture
def files(tmp_path):
    return write_certificates(tmp_path)


def followed(files):
    """The files of a server that asks for certificates."""
    return CertificateFiles(identity_of(files.cert, files.key, "--tls"), PemFile("--tls-client-ca", files.ca))


def refusal(cert, key):
    with pytest.raises(CertificateError) as raised:
        CertificateFiles(identity_of(cert, key, "--tls"), None).read()
    return str(raised.value)


def test_errors_name_the_file_that_is_wrong(files, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    assert refusal(files.key, files.key) == f"--tls-cert {files.key} holds no certificate in PEM"
    assert refusal(empty, files.key) == f"--tls-cert {empty} holds no certificate in PEM"
    assert (
        refusal(tmp_path / "none", files.key) == f"--tls-cert {tmp_path}/none can't be read: No such file or directory"
    )
    assert refusal(files.cert, tmp_path) == f"--tls-key {tmp_path} can't be read: Is a directory"
    assert refusal(files.cert, files.cert) == f"--tls-key {files.cert} holds no private key in PEM"


def test_the_key_of_another_certificate_is_refused(files, tmp_path):
    (tmp_path / "other").mkdir()
    other = write_certificates(tmp_path / "other")
    assert (
        refusal(files.cert, other.key)
        == f"--tls-key {other.key} is not the key of the first certificate in {files.cert}"
    )


def write_rsa(folder, num_bits):
    """Writes a certificate that an RSA key has signed for itself, and the key; returns their paths."""
    key, name, now = rsa.generate_private_key(65537, num_bits), x509.Name([]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    cert, path = builder.sign(key, SHA256()).public_bytes(Encoding.PEM), folder / f"{num_bits}"
    path.with_suffix(".pem").write_bytes(cert)
    path.with_suffix(".key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path.with_suffix(".pem"), path.with_suffix(".key")


def test_a_certificate_that_is_too_weak_for_tls_is_not_blamed_on_its_key(tmp_path):
    cert, key = write_rsa(tmp_path, 1024)
    assert refusal(cert, key) == f"--tls-cert {cert} can't be used with --tls-key {key}: ee key too small"


def test_a_key_of_another_kind_is_not_the_key_of_the_certificate(files, tmp_path):
    _, key = write_rsa(tmp_path, 2048)
    assert refusal(files.cert, key) == f"--tls-key {key} is not the key of the first certificate in {files.cert}"


def test_a_key_with_a_password_is_refused_without_asking_for_it(files):
    key = load_pem_private_key(files.key.read_bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    files.key.write_bytes(encrypted)
    assert refusal(files.cert, files.key) == f"--tls-key {files.key} has a password: give a key without one"


@pytest.mark.parametrize("which", ["cert", "key"])
def test_a_certificate_without_its_key_is_refused(files, which):
    given = {"cert": None, "key": None, which: getattr(files, which)}
    with pytest.raises(CertificateError, match="--tls-cert and --tls-key belong together: give both"):
        identity_of(**given, prefix="--tls")
    assert identity_of(None, None, "--tls") is None


def test_a_certificate_to_show_needs_the_authority_of_who_sees_it(files):
    with pytest.raises(CertificateError, match="--service-cert is for TLS: give --service-ca"):
        client_files(None, files.cert, files.key)
    assert client_files(None, None, None) is None


def test_a_client_may_show_nothing(files):
    made = client_files(files.ca, None, None)
    assert made is not None
    pem = made.read()
    assert (pem.chain, pem.key, pem.ca) == (None, None, files.ca.read_bytes())


def test_files_that_stay_are_read_once(files):
    assert followed(files).renewed() is None


@pytest.mark.parametrize("which", ["ca", "cert"])
def test_each_file_that_is_renewed_has_all_read_again(tmp_path, which):
    authority = Authority(tmp_path)
    files = authority.issue("service", "localhost")
    following = followed(files)
    if which == "ca":
        files.ca.write_bytes(files.ca.read_bytes() * 2)
    else:
        authority.issue("service", "localhost")
    renewed = following.renewed()
    assert renewed is not None
    assert (renewed.ca, renewed.chain) == (files.ca.read_bytes(), files.cert.read_bytes())
    assert following.renewed() is None


def test_a_file_that_another_takes_the_place_of_is_read_again(files, tmp_path):
    following, other = followed(files), write_certificates(tmp_path / "other")
    other.cert.replace(files.cert)
    assert following.renewed() is None
    other.key.replace(files.key)
    assert following.renewed() is not None


def test_renewed_files_that_can_not_be_used_leave_those_before(files, caplog):
    following = followed(files)
    files.key.unlink()
    assert following.renewed() is None
    assert f"stay in use: --tls-key {files.key} can't be read: No such file or directory" in caplog.text


def test_a_file_of_several_certificates_is_read_whole(files):
    files.ca.write_bytes(files.ca.read_bytes() + files.cert.read_bytes())
    assert read_certificates(PemFile("--service-ca", files.ca)) == files.ca.read_bytes()


def test_the_commands_of_the_guide_make_certificates_for_both_ends(tmp_path):
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/operations.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    (script,) = [block for block in blocks if "-keyout ca.key" in block]
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, check=True)
    ca = tmp_path / "ca.pem"
    for name in ("service", "bridge", "laptop"):
        made = server_files(tmp_path / f"{name}.pem", tmp_path / f"{name}.key", ca)
        assert made is not None
        made.read()
        verified = ["openssl", "verify", "-x509_strict", "-CAfile", ca, tmp_path / f"{name}.pem"]
        assert subprocess.run(verified, capture_output=True, check=True).stdout.endswith(b": OK\n")
