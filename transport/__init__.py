"""What both servers need to know of the way between machines: certificates and their files, and what is loopback.

Only the standard library is imported here; how gRPC or aiohttp use it is theirs.
"""
