"""What both servers need of the machine and of the way between machines: certificates, loopback, descriptors, the heap.

Only the standard library is imported here; how gRPC or aiohttp use it is theirs.
"""
