"""Traces of requests by OpenTelemetry, for bridge and service alike; nothing of it is loaded unless somebody collects.

Imports neither of them. `spans` is what they call, `opening` decides whether that does anything.
"""
