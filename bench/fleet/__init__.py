"""A simulation of many replicas behind a balancer: which policy gives what latency, at what cost."""
