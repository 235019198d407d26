"""The gRPC handlers: check, call, map the error, fill.

Imports batches, generation, models and requests; imported by server, commands and __main__. Knows no torch.
"""
