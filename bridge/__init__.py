"""Cloudflare Workers AI's REST and SSE dialect, translated to `runstream.v1` gRPC.

`run` is the way of a request from its bytes to its answer; `app` shows which routes there are.
"""
