"""The gRPC handlers: check, call, map the error, fill.

Imports batches, generation, models and requests; imported by server and commands. Knows no torch.
"""
