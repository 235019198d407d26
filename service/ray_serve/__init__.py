"""The service as an application of Ray Serve: each replica is a whole service, called through Ray's gRPC proxy.

Imports __main__ for the options' names, server, edge_workers, rpc and config; nothing imports it. deploy/ray names it.
"""
