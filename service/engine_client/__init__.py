"""The edge's asynchronous handle on engine processes: starts them, follows them, survives their deaths.

Imports engine_protocol; imported by models, output, rpc and metrics. Knows no torch.
"""
