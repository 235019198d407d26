"""gRPC in processes of its own: they hold the connections, and pass calls to the handlers of the service's process.

Imports rpc, engine_protocol and config; imported by server. It knows neither models nor what calls mean.
"""
