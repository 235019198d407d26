"""What the application and a request carry for their handlers."""

import asyncio

from aiohttp import web

from bridge.access import Access
from bridge.auth import Token
from bridge.config import Config
from bridge.drain import Drain
from bridge.metrics import Metrics
from bridge.models import Models
from bridge.service_client import ServiceClient
from bridge.turns import Turn

CONFIG = web.AppKey("config", Config)
TOKENS = web.AppKey("tokens", tuple[Token, ...])
SERVICE = web.AppKey("service", ServiceClient)
MODELS = web.AppKey("models", Models)
METRICS = web.AppKey("metrics", Metrics)
DRAIN = web.AppKey("drain", Drain)
# Held by the large request whose turn it is.
LARGE = web.AppKey("large", asyncio.Lock)

ACCESS = web.RequestKey("access", Access)
TURN = web.RequestKey("turn", Turn)
# The request's streamed answer, from when its headers are sent: no other status can be told any more.
STREAM = web.RequestKey("stream", web.StreamResponse)
