"""The values and messages that edge and engine share, and how they are framed.

Imports nothing of the service; imported by the edge and the engine.
"""
