"""The form of completions: JSON Schemas, what the grammar library is told of them, and the check of finished values.

Imports engine_protocol and work_lanes; imported by requests and generation.
"""
