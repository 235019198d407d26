"""Where Prometheus reads the metrics: prometheus_client's server, which here tells no versions."""

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler

import prometheus_client

PRODUCT = "Runstream"


class _Handler(WSGIRequestHandler):
    def version_string(self) -> str:
        """The Server header of errors."""
        return PRODUCT

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in http.server
        """Logs nothing."""


def start_metrics_server(registry: prometheus_client.CollectorRegistry, host: str, port: int) -> Callable[[], None]:
    """Serves a registry's metrics in a thread.

    Returns:
        What ends that.
    """
    server, thread = prometheus_client.start_http_server(port, host, registry)
    metrics: Any = server.get_app()

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]]) -> Any:
            return start_response(status, [*headers, ("Server", PRODUCT)])

        answered: Iterable[bytes] = metrics(environ, start)
        return answered

    server.RequestHandlerClass = _Handler
    server.set_app(answer)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
