"""A request's own rules: checks, sampling parameters, tools, forms of the answer.

Imports schemas, engine_protocol and the catalog; imported by prompts, output, models, generation, batches and rpc.
"""
