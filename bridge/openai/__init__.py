"""OpenAI's API for chat completions, text completions, responses and models, as Workers AI serves it under `/ai/v1`.

The same routes are at `/v1`, for clients that know no Cloudflare account; there failures have OpenAI's shape as well.
Imports workers_ai, validation, upstream, auth and http; imported by app, middleware and openapi.
"""
