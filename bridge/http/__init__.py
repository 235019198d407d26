"""HTTP itself: connections, bodies in, bytes and events out, the access log, the drain, what workers share.

Knows no dialect. Imports errors, config and spelling; imported by upstream, auth, server and all above.
"""
