"""The bridge's application: its routes and what they share."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web
from runstream.v1 import models_pb2

from accounts.known_tokens import Tokens
from bridge import health
from bridge.auth.tokens import GUARD, Guard
from bridge.config import CONFIG, Config
from bridge.http.drain import DRAIN, Drain
from bridge.http.metrics import METRICS, Metrics, watch_event_loop
from bridge.http.recent_requests import RECENT_REQUESTS, RecentRequests
from bridge.http.told_requests import tell_requests
from bridge.http.turns import LARGE
from bridge.http.worker_group import WORKER_GROUP, WorkerGroup
from bridge.middleware.errors import add_request_id, answer_errors, name_server, observe, take_turns
from bridge.middleware.origin import add_cors_headers, check_origin
from bridge.middleware.traces import TRACING, trace
from bridge.openai.routes import add_routes as add_openai_routes
from bridge.openai.run_shapes.chat import CHAT_SHAPE
from bridge.openai.run_shapes.completion import COMPLETION_SHAPE
from bridge.openai.run_shapes.responses import RESPONSES_SHAPE
from bridge.openapi import page as openapi
from bridge.playground.routes import add_routes as add_playground_routes
from bridge.playground.service_status import watch_service
from bridge.upstream.balancing import BY_SESSION, IN_TURN, balanced_options, is_balanced, to_target
from bridge.upstream.channel import Options, ServiceChannel
from bridge.upstream.client import SERVICE, ServiceClient
from bridge.upstream.models import MODELS, Models
from bridge.upstream.rate_limits import USED_UP, UsedUp
from bridge.upstream.room import ROOM, Room
from bridge.workers_ai import binding, model_search, token_check
from bridge.workers_ai.run import run
from bridge.workers_ai.shapes.decision import DECISION_SHAPE
from bridge.workers_ai.shapes.guard import GUARD_SHAPE
from bridge.workers_ai.shapes.native import NATIVE_SHAPE
from bridge.workers_ai.shapes.shape import SHAPES
from tracing.opening import open_tracing

# Of clients that set the sampled flag. Others are traced as the sampler says.
MAX_TRACES_ASKED_FOR_PER_S: Final = 100


def build_app(config: Config, tokens: Tokens | None, group: WorkerGroup | None = None) -> web.Application:
    """Makes the application.

    Args:
        config: The settings.
        tokens: Who may use it; None lets everybody.
        group: The workers that this process is one of; None if it is alone.
    """
    app = web.Application(middlewares=[trace, observe, answer_errors, check_origin, take_turns])
    app[CONFIG], app[GUARD] = config, Guard(tokens)
    app[METRICS], app[DRAIN] = Metrics(group), Drain(config.shutdown_grace_s)
    app[RECENT_REQUESTS], app[LARGE] = RecentRequests(), asyncio.Lock()
    app[ROOM], app[USED_UP] = Room(), UsedUp()
    app[SHAPES] = {
        models_pb2.ANSWER_SHAPE_NATIVE: NATIVE_SHAPE,
        models_pb2.ANSWER_SHAPE_COMPLETION: COMPLETION_SHAPE,
        models_pb2.ANSWER_SHAPE_CHAT: CHAT_SHAPE,
        models_pb2.ANSWER_SHAPE_RESPONSES: RESPONSES_SHAPE,
        models_pb2.ANSWER_SHAPE_GUARD: GUARD_SHAPE,
        models_pb2.ANSWER_SHAPE_DECISION: DECISION_SHAPE,
    }
    app.cleanup_ctx.extend([_send_traces, _connect, watch_service, watch_event_loop])
    if group:
        app[WORKER_GROUP] = group
        app.cleanup_ctx.append(tell_requests)
    app.on_response_prepare.extend([name_server, add_request_id, add_cors_headers])
    app.on_shutdown.append(app[DRAIN].finish)
    binding.add_routes(app.router)
    # Patterns see %2F decoded: official SDKs send the model's slashes so. Without one of its own, account_id would not
    # match braces, which stand in the paths of who copies Cloudflare's examples as they are.
    app.router.add_post("/client/v4/accounts/{account_id:[^/]+}/ai/run/{model:.+}", run)
    add_openai_routes(app.router)
    model_search.add_routes(app.router)
    token_check.add_routes(app.router)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", health.metrics)
    openapi.add_routes(app)
    add_playground_routes(app.router)
    return app


async def _send_traces(app: web.Application) -> AsyncIterator[None]:
    """Sends traces for as long as the application lives, if anybody says where to."""
    app[TRACING] = open_tracing(app[CONFIG].otlp_endpoint, "runstream-bridge", MAX_TRACES_ASKED_FOR_PER_S)
    yield
    await asyncio.to_thread(app[TRACING].close)


async def _connect(app: web.Application) -> AsyncIterator[None]:
    """Opens the way to the service, or both to several, for as long as the application lives."""
    config = app[CONFIG]
    async with contextlib.AsyncExitStack() as channels:

        def opened(options: Options) -> ServiceChannel:
            named = (("grpc.default_authority", config.service_name),) if config.service_name else ()
            target, files = to_target(config.service), config.service_files
            channel = ServiceChannel(target, files, config.deadline_s, (*options, *named))
            channels.push_async_callback(channel.aclose)
            return channel

        is_several = is_balanced(config.service)
        channel = opened(balanced_options(IN_TURN) if is_several else ())
        by_session = opened(balanced_options(BY_SESSION)) if is_several else None
        app[SERVICE] = ServiceClient(channel, config.deadline_s, config.service_token, by_session)
        app[MODELS] = Models(app[SERVICE])
        yield
