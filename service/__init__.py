"""The model service: gRPC in front, engines in processes behind.

A folder is a room: one chapter of a request's way. `.importlinter` says which room may import which.
"""
