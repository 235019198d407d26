"""gRPC in processes of its own: they hold the connections, and pass calls to the handlers of the service's process.

The calls of another server in this process come the same way, see `local_calls`.
Imports rpc, engine_protocol and config; imported by server. It knows neither models nor what calls mean.
"""
