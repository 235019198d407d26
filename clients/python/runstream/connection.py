"""The way to the service: its address, TLS, the token, retries."""

import ipaddress
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from runstream.fields import shown

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
MAX_ATTEMPTS: Final = 5  # more than that gRPC does not make

Tls = None | bool | str | bytes | os.PathLike[str] | grpc.ChannelCredentials
PemFile = str | bytes | os.PathLike[str]
ChannelOptions = Sequence[tuple[str, Any]]

_HOST_AND_PORT: Final = re.compile(r"(?P<host>\[[^\[\]\s]+\]|[^\[\]:/,\s]+):(?P<port>[0-9]{1,5})")
_SCHEMES: Final = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:")
ACCOUNT_KEY: Final = "x-runstream-account"

_TOKEN: Final = re.compile(r"[!-~]+")

# Those that may be sent twice without harm. LoadModel is not here: where there is no room it would fail just as late.
_RETRIED: Final = [
    {"service": "runstream.v1.TextGenerationService"},
    {"service": "runstream.v1.BatchService"},
    {"service": "runstream.v1.ModelService", "method": "ListModels"},
    {"service": "runstream.v1.ModelService", "method": "GetModel"},
]


@dataclass(frozen=True)
class Connection:
    """The parts that a channel is made of.

    Attributes:
        target: The address as gRPC reads it.
        credentials: Those of TLS; None for plain text.
        options: The channel's options.
        metadata: What every call carries.
    """

    target: str
    credentials: grpc.ChannelCredentials | None
    options: ChannelOptions
    metadata: tuple[tuple[str, str], ...] = field(repr=False)  # a token is in it


def connection(
    target: str | Sequence[str],
    *,
    token: str | None,
    tls: Tls,
    cert: PemFile | None,
    key: PemFile | None,
    max_attempts: int,
    allow_plaintext_token: bool,
    channel_options: ChannelOptions,
) -> Connection:
    """Checks what a client is made with, without connecting.

    Raises:
        TypeError: A value is of the wrong type.
        ValueError: The address can't be read, or the token would be sent in clear text; says what to give instead.
        OSError: A file of certificates or a key can't be read.
    """
    if isinstance(max_attempts, bool) or not isinstance(max_attempts, int):
        raise TypeError(f"max_attempts is of type {type(max_attempts).__name__}: give an integer")
    if not 1 <= max_attempts <= MAX_ATTEMPTS:
        raise ValueError(f"max_attempts is {max_attempts}: give 1, which never asks again, to {MAX_ATTEMPTS}")
    check_token(token)
    address, credentials = grpc_target(target), tls_credentials(tls, cert, key)
    is_local = is_loopback(address)
    if token and credentials is None and not is_local and not allow_plaintext_token:
        raise ValueError(
            f"the token would be sent to {address} in clear text: give tls=True or the path of the server's CA, "
            "or allow_plaintext_token=True if nobody else can read on the way"
        )
    options = [*_options(max_attempts, is_local), *channel_options]
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    return Connection(address, credentials, options, metadata)


def check_token(token: str | None) -> None:
    """Refuses a token that no header can carry; none at all is as good as any.

    Raises:
        TypeError: It is no text. The message does not show it.
        ValueError: It has other than visible ASCII characters. Neither does this one.
    """
    if token is not None and not isinstance(token, str):
        raise TypeError(f"token is of type {type(token).__name__}: give a text")
    if token and not _TOKEN.fullmatch(token):
        raise ValueError("the token is not one of visible ASCII characters: it may have a line end from its file")


def acting_for(account: str | None) -> tuple[tuple[str, str], ...]:
    """The metadata of calls that name the account that they act for; none if they leave that to the token.

    Raises:
        TypeError: It is no text.
        ValueError: It is no account.
    """
    if account is not None and not isinstance(account, str):
        raise TypeError(f"account is of type {type(account).__name__}: give a text, or None for the token's own")
    if account and not _TOKEN.fullmatch(account):
        raise ValueError(f"account is {shown(account)}: give visible ASCII characters, or None for the token's own")
    return ((ACCOUNT_KEY, account),) if account else ()


def grpc_target(target: str | Sequence[str]) -> str:
    """Writes one or several addresses as gRPC reads them. What it can't read it would look up as a name for ever.

    Raises:
        TypeError: It is neither a text nor a list of texts.
        ValueError: It is no address.
    """
    if not isinstance(target, str):
        if not isinstance(target, Sequence) or not all(isinstance(each, str) for each in target):
            raise TypeError(f"target is {shown(target)}: give host:port, or a list of several")
        if not target:
            raise ValueError("target is an empty list: give host:port, or a list of several")
        return _several(target)
    if "," in target and not target.startswith(_SCHEMES):
        return _several(target.split(","))
    if not (target.startswith(_SCHEMES) and target not in _SCHEMES):
        _host_of(target)
    return target


def _several(targets: Sequence[str]) -> str:
    addresses = [target.strip() for target in targets]
    hosts = [_host_of(address) for address in addresses]
    if len(addresses) == 1:
        return addresses[0]
    versions = {_version(host) for host in hosts}
    if len(versions) != 1 or None in versions:
        raise ValueError(
            f"of {', '.join(addresses)} not all are IPv4, or all IPv6, addresses: for a name that stands for "
            "several addresses give dns:///name:port"
        )
    return f"ipv{versions.pop()}:{','.join(addresses)}"


def _host_of(address: str) -> str:
    match = _HOST_AND_PORT.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise ValueError(
            f"{address!r} is no address: give host:port, such as 127.0.0.1:50051 or [::1]:50051, "
            "dns:///name:port or unix:/path"
        )
    return match["host"].strip("[]")


def _version(host: str) -> int | None:
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None


def is_loopback(target: str) -> bool:
    """Tells whether what is sent to a target stays on this machine."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    addresses = re.sub(r"^(dns:(///?)?|ipv[46]:)", "", target).split(",")
    hosts = [match["host"].strip("[]") for match in map(_HOST_AND_PORT.fullmatch, addresses) if match]
    return len(hosts) == len(addresses) and all(map(_is_loopback_host, hosts))


def _is_loopback_host(host: str) -> bool:
    return host == "localhost" or (_version(host) is not None and ipaddress.ip_address(host).is_loopback)


def tls_credentials(
    tls: Tls, cert: PemFile | None = None, key: PemFile | None = None
) -> grpc.ChannelCredentials | None:
    """Makes the credentials for what a client was given as `tls`, `cert` and `key`; None for plain text.

    Raises:
        TypeError: It is nothing that tells of TLS, such as a number.
        ValueError: A file does not hold what it should, or one is missing.
        OSError: A file can't be read.
    """
    shown = _shown_certificate(cert, key)
    if tls is None or tls is False:
        if shown:
            raise ValueError("cert is for TLS: give tls=True or the path of the server's CA, too")
        return None
    if isinstance(tls, grpc.ChannelCredentials):
        if shown:
            raise ValueError("cert is for tls=True or certificates: the credentials given as tls have their own")
        return tls
    trusted = None if tls is True else _pem("tls", tls, "certificate", "-----BEGIN CERTIFICATE-----")
    chain, private_key = shown or (None, None)
    return grpc.ssl_channel_credentials(trusted, private_key, chain)


def _shown_certificate(cert: PemFile | None, key: PemFile | None) -> tuple[bytes, bytes] | None:
    """The certificate that the client shows and its private key, if it shows one."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise ValueError("cert and key belong together: give both, or neither")
    chain = _pem("cert", cert, "certificate", "-----BEGIN CERTIFICATE-----")
    private_key = _pem("key", key, "private key", "PRIVATE KEY-----")
    if b"ENCRYPTED" in private_key:
        raise ValueError("key has a password: give a key without one")
    return chain, private_key


def _pem(name: str, given: Any, what: str, line: str) -> bytes:
    if not isinstance(given, str | bytes | os.PathLike):
        # A number would be opened as a file descriptor, and closed.
        expected = "True, the path or bytes of certificates, or credentials" if name == "tls" else "its path or bytes"
        raise TypeError(f"{name} is of type {type(given).__name__}: give {expected}")
    content = given if isinstance(given, bytes) else _read(given)
    if line.encode() not in content:
        raise ValueError(f"{name} holds no {what}: give PEM, with a line -----BEGIN {what.upper()}-----")
    return content


def _read(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _options(max_attempts: int, is_local: bool) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # A whole answer writes nothing while it is generated: pings tell a slow service from one that is gone.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        # gRPC would wait up to two minutes before it looks whether a service that was down is back.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.enable_retries", int(max_attempts > 1)),
        # A request that is larger than this is not sent again.
        ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES + 65_536),
        ("grpc.service_config", json.dumps(service_config(max_attempts))),
    ]
    # http_proxy in the environment is meant for others than this machine.
    return [*options, ("grpc.enable_http_proxy", 0)] if is_local else options


def service_config(max_attempts: int) -> dict[str, Any]:
    """gRPC's service config: all addresses take turns, and what was UNAVAILABLE is asked again.

    The wait between attempts grows from about half a second to five, or is what the service says in
    "grpc-retry-pushback-ms". RESOURCE_EXHAUSTED is not asked again: it may be an answer that is too large.
    """
    balancing: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if max_attempts == 1:
        return balancing
    policy = {
        "maxAttempts": max_attempts,
        "initialBackoff": "0.5s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {**balancing, "methodConfig": [{"name": _RETRIED, "retryPolicy": policy}]}
