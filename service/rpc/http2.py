"""Options of gRPC's HTTP/2: how much of the server one peer may have, and when a silent one is gone."""

from typing import Final

MAX_MESSAGE_BYTES: Final = 16 << 20

# gRPC would refuse metadata between 8 and 16 KiB now and then.
MAX_METADATA_BYTES: Final = 16 << 10

# Until a connection has shown that it speaks HTTP/2, TLS included.
HANDSHAKE_TIMEOUT_MS: Final = 10_000

# Clients connect again by themselves.
MAX_IDLE_MS: Final = 10 * 60 * 1000

# How long a call may wait until it is looked at, in seconds. With gRPC's own 30, a service that has too much to do does
# only what is late already.
MAX_UNTAKEN_S: Final = 5


def server_options(max_connections: int, max_streams: int, max_age_s: float) -> tuple[tuple[str, int], ...]:
    """The options of a server.

    Args:
        max_connections: The most connections that are held; of others each ends at once.
        max_streams: The most calls that are open on one connection; its client holds others back.
        max_age_s: For how many seconds a connection takes new calls, give or take a tenth; 0 for no end. Those that run
            go on.
    """
    aging = (("grpc.max_connection_age_ms", round(max_age_s * 1000)),) if max_age_s else ()
    return (
        *aging,
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.max_allowed_incoming_connections", max_connections),
        ("grpc.max_concurrent_streams", max_streams),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_TIMEOUT_MS),
        ("grpc.max_connection_idle_ms", MAX_IDLE_MS),
        # Clients ping while a long unary call is silent; gRPC takes that for abuse unless told otherwise. A client that
        # is gone without a word is noticed by pings of our own.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.so_reuseport", 0),
        ("grpc.server_max_unrequested_time_in_server", MAX_UNTAKEN_S),
    )
