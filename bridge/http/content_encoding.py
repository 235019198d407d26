"""The encodings that a body may be in, and its decoding within bounds."""

import sys
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol

import brotli
from aiohttp import hdrs, web

from bridge.errors import AiError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# gzip and zstd may be written in several members; more than a writer in pieces makes are an attack.
MAX_MEMBERS: Final = 64

# The binary logarithm of the most memory that a zstd decoder takes; RFC 9659 lets HTTP use no more.
MAX_WINDOW_LOG: Final = 23


class Decoder(Protocol):
    """Decodes one member of a compressed text."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """The bytes that stood behind its end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Decodes at least all that there is, or `max_length` bytes of it."""


class _Brotli:
    """brotli's decoder, which calls by other names what the others have. It refuses what stands behind the end."""

    unused_data = b""

    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.is_finished())

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return bytes(self._decompressor.process(data, output_buffer_limit=max_length))


def _gzip(_: bytes) -> Decoder:
    return zlib.decompressobj(wbits=31)


def _deflate(data: bytes) -> Decoder:
    # Some clients leave zlib's header out, in which the first four bits say 8.
    return zlib.decompressobj(wbits=15 if data[0] & 0xF == 8 else -15)


DECODERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": lambda _: _Brotli(),
    "zstd": lambda _: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}),
}
_ALIASES: Final = {"x-gzip": "gzip"}
_ERRORS: Final = (zlib.error, brotli.error, zstd.ZstdError)


def encoding_of(http_request: web.Request, ignored: Collection[str] = ()) -> str:
    """The encoding that a request's body is in, a key of `DECODERS`; empty for none.

    Args:
        http_request: The request.
        ignored: Values of the header that say nothing, in lower case.

    Raises:
        AiError: It is in one that is not read here, or in several.
    """
    listed = ",".join(http_request.headers.getall(hdrs.CONTENT_ENCODING, ())).lower().split(",")
    names = [_ALIASES.get(name.strip(), name.strip()) for name in listed]
    named = [name for name in names if name not in ("", "identity", *ignored)]
    if named and (len(named) > 1 or named[0] not in DECODERS):
        raise AiError("ENCODING_UNSUPPORTED", f"Content-Encoding must be one of {', '.join(DECODERS)}, or left out")
    return named[0] if named else ""


def decode(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Decodes a body, no further than it may be long.

    Args:
        body: What was sent.
        encoding: What `encoding_of` told; empty for none.
        max_bytes: The most bytes that the decoded body may have.

    Raises:
        AiError: It has more, is cut, or is not in that encoding.
    """
    if not encoding:
        return body
    decoded = bytearray()
    for _ in range(MAX_MEMBERS):
        if not body:
            break
        decoder: Decoder = DECODERS[encoding](body)
        try:
            decoded += decoder.decompress(body, max_bytes + 1 - len(decoded))
        except _ERRORS:
            raise AiError("INVALID_REQUEST", f"the body is not in the encoding {encoding}") from None
        if len(decoded) > max_bytes:
            raise AiError("BODY_TOO_LARGE")
        if not decoder.eof:
            raise AiError("INVALID_REQUEST", f"the body ends before its encoding {encoding} does")
        body = decoder.unused_data
    if body:
        raise AiError("INVALID_REQUEST", f"the body has more than {MAX_MEMBERS} members of {encoding}")
    return bytes(decoded)
