"""Whom a certificate names."""

import pytest

from accounts.certificates import UnnamedCertificateError, first_name, line_by_certificate
from accounts.known_tokens import WrongAccountError


@pytest.mark.parametrize(
    ("dns", "uris", "common_names", "name"),
    [
        (["a.example", "b.example"], ["spiffe://c"], ["d"], "a.example"),
        ([], ["spiffe://c", "spiffe://e"], ["d"], "spiffe://c"),
        ([], [], ["d"], "d"),
        ([], [], [""], ""),
        ([], [], [], ""),
    ],
)
def test_a_certificate_counts_by_one_name(dns, uris, common_names, name):
    assert first_name(dns, uris, common_names) == name


def test_a_name_is_an_account():
    line = line_by_certificate("laptop.example", frozenset(), None)
    assert (line.account, line.name, line.is_peer) == ("laptop.example", "certificate", False)
    assert line_by_certificate("laptop.example", frozenset(), "laptop.example") == line


def test_a_peer_may_name_any_account():
    peers = frozenset({"spiffe://example/bridge"})
    assert line_by_certificate("spiffe://example/bridge", peers, "laptop.example").is_peer
    assert line_by_certificate("spiffe://example/bridge", peers, None).is_peer


def test_others_may_name_only_their_own():
    with pytest.raises(WrongAccountError):
        line_by_certificate("laptop.example", frozenset({"bridge.example"}), "desk.example")


@pytest.mark.parametrize("name", ["", "*", "..", "a b", "a/b", "spiffe://example/laptop", "ä", "a\n", "a" * 129])
def test_a_name_that_is_no_account_lets_nobody_in(name):
    with pytest.raises(UnnamedCertificateError, match="the certificate names no account: its first DNS name"):
        line_by_certificate(name, frozenset(), None)
