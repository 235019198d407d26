"""From a checked request to the parts of its completion: the one path of calls and of a batch's items."""

import asyncio
import contextlib
import hashlib
import itertools
import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from runstream.v1 import text_generation_pb2 as pb

from service.engine_client.moments import Moments
from service.engine_protocol.messages import Submit
from service.engine_protocol.sampling_params import Priority, SamplingParams
from service.engine_protocol.thinking import Thinking
from service.errors import InvalidRequestError, ModelNotFoundError, ModelNotReadyError, WeightsMissingError
from service.metrics import Metrics
from service.models.model import LoadedParts
from service.models.models import Answering, Models
from service.output.completion import Completion, RequestInfo, Stops, join
from service.prompts.thinking import thinking_behind
from service.requests.adapters import choose_adapter
from service.requests.checks import check_request
from service.requests.forced_calls import AskedForm, forced_call, with_calls
from service.requests.prompt import check_prompt_token_ids, check_token_ids, keep_prompt
from service.requests.response_format import to_form
from service.requests.sampling_params import PRIORITIES, to_sampling_params
from service.requests.tools import callable_tools, has_to_call
from service.schemas.value_check import ValueCheck
from service.stages import tell_end, tell_request, told_stages
from tracing.spans import NO_SPAN, Span

# Up to here reading schemas takes a few milliseconds.
_MAX_INLINE_BYTES = 4096


def _form_of(request: pb.RunRequest) -> AskedForm | None:
    form = to_form(request)
    if has_to_call(request):
        return forced_call(request)
    if form is None:
        return None
    return with_calls(form, request) if callable_tools(request) else AskedForm(form)


class TextGenerator:
    """Generates completions with the service's models, and counts them.

    Args:
        models: Who answers.
        metrics: Gets times and counts.
    """

    def __init__(self, models: Models, metrics: Metrics) -> None:
        self._models = models
        self._metrics = metrics
        self._values = ValueCheck()
        self._numbers = itertools.count(1)

    def check_room(self, request: pb.RunRequest, account: str, deadline_s: float) -> None:
        """Refuses a request that is not checked yet if any of its account's for its model would be refused now.

        Raises:
            QueueFullError: Too much waits before it.
        """
        with contextlib.suppress(ModelNotFoundError, ModelNotReadyError, WeightsMissingError):
            model = self._models.answering(request.model).model
            if PRIORITIES.get(request.priority) is Priority.ONLINE:
                model.engine.check_room(account, deadline_s)

    async def generate(
        self,
        request: pb.RunRequest,
        request_id: str,
        account: str,
        span: Span = NO_SPAN,
        deadline_s: float = math.inf,
        charge: Callable[[int], None] = lambda num_tokens: None,
    ) -> AsyncGenerator[pb.RunStreamResponse, None]:
        """Generates the parts of a completion; closing the generator before its end aborts the request.

        Args:
            request: A request that `check_request` has let pass.
            request_id: Stands in every part and in the log.
            account: Whom it is for; no other shares its cached prefixes.
            span: What is told of it in a trace.
            deadline_s: When the completion must have ended, on the event loop's clock.
            charge: Is told of tokens as they are known: those of the prompt, then each of the completion.

        Raises:
            RunstreamError: It has no completion, or not a whole one.
        """
        started_at = time.perf_counter()
        asked = await self._asked_form(request)
        form = None if asked is None else asked.form
        answering = self._models.answering(request.model)
        model = answering.model
        async with self._models.using(model, PRIORITIES[request.priority]) as loaded:
            submit, thinking = await self._to_submit(request, request_id, account, answering, loaded, asked)
            served_model = answering.served_model
            tell_request(span, request_id, request.model, served_model, submit)
            moments = Moments()
            charge(len(submit.prompt_token_ids))
            info = RequestInfo(
                request_id, served_model, len(submit.prompt_token_ids), submit.params.max_tokens, started_at, moments
            )
            completion = self._completion(request, info, loaded, submit, thinking)
            said: list[pb.RunStreamResponse] = []
            generating = model.engine.generate(submit, moments, deadline_s)
            async with told_stages(span, moments), aclosing(generating) as outputs:
                async for output in outputs:
                    charge(1)
                    if output.prompt_logprobs:
                        logprobs = output.prompt_logprobs
                        await asyncio.to_thread(completion.add_prompt, submit.prompt_token_ids, logprobs)
                    part = completion.add(output)
                    if completion.has_ended:
                        break
                    if part is not None:
                        if form is not None:
                            said.append(part)
                        yield part
        # Only now that the engine, which would go on behind a stop sequence, is told: a client may take long to read.
        if part is not None:
            tell_end(span, part)
            if form is not None:
                await self._values.check(form, join([*said, part]))
            yield part

    async def _asked_form(self, request: pb.RunRequest) -> AskedForm | None:
        """The form that a request asks for, once values can be checked against it."""
        is_short = request.ByteSize() <= _MAX_INLINE_BYTES
        asked = _form_of(request) if is_short else await asyncio.to_thread(_form_of, request)
        if asked is not None:
            await self._values.prepare(asked.form)
        return asked

    async def count_tokens(self, request: pb.RunRequest) -> pb.CountTokensResponse:
        """Counts the tokens of a request's prompt, if the model that would answer is loaded.

        Args:
            request: Not checked yet; what has no influence on its prompt is cleared.

        Raises:
            RunstreamError: The prompt is wrong, or can't be counted here now.
        """
        keep_prompt(request)
        try:
            check_request(request)
            answering = self._models.answering(request.model)
            loaded = answering.model.loaded()
            token_ids = await _encode(request, answering, loaded, None)
        except InvalidRequestError as error:
            error.field = f"request.{error.field}"
            raise
        most = loaded.limits.max_usable_prompt_tokens
        return pb.CountTokensResponse(
            served_model=answering.model.entry.id,
            prompt_tokens=len(token_ids),
            max_prompt_tokens=most,
            token_ids=token_ids if len(token_ids) <= most else (),
        )

    def close(self) -> None:
        """Ends the process in which values are checked."""
        self._values.close()

    def _completion(
        self,
        request: pb.RunRequest,
        info: RequestInfo,
        loaded: LoadedParts,
        submit: Submit,
        thinking: Thinking | None,
    ) -> Completion:
        return Completion(
            info,
            loaded.chat.vocabulary,
            _stops(request, submit.params),
            [tool.name for tool in callable_tools(request)],
            self._metrics,
            thinking,
            loaded.chat.tool_template.call_format,
            has_form=submit.grammar is not None,
        )

    def _adapter(self, request: pb.RunRequest, answering: Answering) -> str:
        own = answering.model.entry.id
        stand_in, adapters = own if answering.stands_in else "", self._models.adapters_of(own)
        return choose_adapter(request.lora, answering.adapter, answering.named.id, adapters, stand_in)

    async def _to_submit(
        self,
        request: pb.RunRequest,
        request_id: str,
        account: str,
        answering: Answering,
        loaded: LoadedParts,
        asked: AskedForm | None,
    ) -> tuple[Submit, Thinking | None]:
        adapter = self._adapter(request, answering)
        most = loaded.limits.max_usable_prompt_tokens
        prompt_token_ids = await _encode(request, answering, loaded, most)
        bad_words = await loaded.chat.encode_bad_words(request.sampling_params.bad_words, loaded.limits.vocab_size)
        params = to_sampling_params(
            request,
            answering.named,
            loaded.limits,
            len(prompt_token_ids),
            loaded.chat.eos_token_ids,
            stands_in=answering.stands_in,
            bad_words=bad_words,
        )
        # Two calls may carry one id, the engine's requests may not.
        engine_id = f"{request_id}/{next(self._numbers)}"
        thinking = thinking_behind(request, prompt_token_ids, loaded.chat.thinking, loaded.chat.vocabulary)
        grammar = None
        if asked is not None:
            grammar = replace(asked.grammar(loaded.chat.tool_template.call_format), thinking=thinking)
        salt, priority = cache_salt(account, request.cache_salt), PRIORITIES[request.priority]
        return Submit(engine_id, prompt_token_ids, params, priority, salt, grammar, account, adapter), thinking


def cache_salt(account: str, salt: str) -> str:
    """What keeps an account's cached prefixes apart, so that nobody learns by timing what others have asked.

    Args:
        account: The account.
        salt: The request's own, for those whom the account serves; empty for none.
    """
    return hashlib.sha256(f"{account}\0{salt}".encode()).hexdigest()


def _stops(request: pb.RunRequest, params: SamplingParams) -> Stops:
    return Stops(
        sequences=request.stop_sequences,
        token_ids=params.stop_token_ids - params.eos_token_ids,
        is_included=request.include_stop_sequence,
        min_tokens=params.min_tokens,
    )


async def _encode(
    request: pb.RunRequest, answering: Answering, loaded: LoadedParts, max_prompt_tokens: int | None
) -> list[int]:
    """The token ids of the prompt, for the model that answers."""
    check_prompt_token_ids(request, loaded.limits.vocab_size, stands_in=answering.stands_in)
    prompt = answering.model.entry.default_system_prompt
    token_ids = await loaded.chat.encode(request, prompt, max_prompt_tokens, stands_in=answering.stands_in)
    if loaded.chat.num_token_ids > loaded.limits.vocab_size:
        check_token_ids("input", token_ids, loaded.limits.vocab_size)
    return token_ids
