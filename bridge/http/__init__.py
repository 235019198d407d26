"""HTTP itself: bodies in, bytes and events out, the access log, the drain.

Knows no dialect. Imports config and errors; imported by every other room.
"""
