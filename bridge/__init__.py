"""Cloudflare Workers AI's REST and SSE and OpenAI's routes, translated to `runstream.v1` gRPC.

`workers_ai/run` is the way of a request from its bytes to its answer; `app` shows which routes there are.
"""
