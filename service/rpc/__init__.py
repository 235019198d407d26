"""The gRPC handlers: check, call, map the error, fill.

Imports everything of the edge; imported by service.server only. Knows no torch.
"""
