"""The CPU engine beside other engines: the same weights, the same requests, one thread."""
