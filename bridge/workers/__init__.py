"""Several processes of the bridge behind one address: where they listen, how they are started, followed and ended.

Imports app; imported by the command line. A single process is `server` alone.
"""
