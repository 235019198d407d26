"""The launcher with stand-ins for service and bridge, for tests that end them: `python -m tests.support.fake_parts`.

    SERVICE BRIDGE PORT SERVICE_PORT [--end-with-parent]

FAKE_HOST in the environment is the bridge's host.

SERVICE and BRIDGE are Python programs; they find PORT in `port`.
"""

import os
import sys
from dataclasses import dataclass

from scripts.up import Settings, run

SERVING = """
import grpc, signal
from concurrent import futures
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
server = grpc.server(futures.ThreadPoolExecutor(2))
servicer = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
server.add_insecure_port(f"127.0.0.1:{port}")
server.start()
server.wait_for_termination()
"""

READY = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
HTTPServer(("127.0.0.1", port), Ready).serve_forever()
"""

FAILING = "import sys; print('first words'); print('last words'); sys.exit(3)"


@dataclass(frozen=True)
class FakeParts(Settings):
    """Settings whose commands start the programs of a test."""

    service_program: str
    bridge_program: str

    def service_command(self) -> list[str]:
        return [sys.executable, "-c", f"port = {self.service_port}\n{self.service_program}"]

    def bridge_command(self) -> list[str]:
        return [sys.executable, "-c", f"port = {self.port}\n{self.bridge_program}"]


if __name__ == "__main__":
    service, bridge, port, service_port, *flags = sys.argv[1:]
    ends = "--end-with-parent" in flags
    host = os.environ.get("FAKE_HOST", "127.0.0.1")
    parts = FakeParts(
        host=host,
        port=int(port),
        service_port=int(service_port),
        metrics_port=0,
        models=("a-model",),
        stand_in="a-model",
        service_ca=None,
        service_cert=None,
        service_key=None,
        bridge_has_tls=False,
        end_with_parent=ends,
        service_program=service,
        bridge_program=bridge,
    )
    sys.exit(run(parts))
