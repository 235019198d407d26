"""Which ways to compute are right and quickest on this machine: tried in a process of their own, kept on the disk.

Imports linears, native, device, progress and tolerances; imported by process.
"""
