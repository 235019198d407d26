"""From a checked request to the parts of its completion: the one path of calls and of a batch's items."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from runstream.v1 import text_generation_pb2 as pb

from service.completion import Completion, StopTokens, join
from service.conversion import PRIORITIES, to_sampling_params
from service.engine.messages import Submit
from service.form import Form
from service.metrics import Metrics
from service.model import LoadedParts, Model
from service.models import Answering, Models
from service.response_format import to_form
from service.stop_sequences import StopSearch
from service.tool_calls import ToolCallSearch
from service.tool_grammar import forced_call
from service.tools import callable_tools
from service.value_check import ValueCheck

# Up to here reading schemas takes a few milliseconds.
_MAX_INLINE_BYTES = 4096


async def _tell_nobody(served_model: str) -> None:
    """What `TextGenerator.generate` calls where nobody wants to know early who answers."""


def _form_of(request: pb.RunRequest) -> Form | None:
    return to_form(request) or forced_call(request)


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

    async def generate(
        self,
        request: pb.RunRequest,
        request_id: str,
        on_accepted: Callable[[str], Awaitable[None]] = _tell_nobody,
    ) -> AsyncGenerator[pb.RunStreamResponse, None]:
        """Generates the parts of a completion; closing the generator before its end aborts the request.

        Args:
            request: A request that `check_request` has let pass.
            request_id: Stands in every part and in the log.
            on_accepted: Gets the id of the model that answers, once nothing but the engine can refuse any more.

        Raises:
            RunstreamError: It has no completion, or not a whole one.
        """
        started_at = time.perf_counter()
        is_short = request.ByteSize() <= _MAX_INLINE_BYTES
        form = _form_of(request) if is_short else await asyncio.to_thread(_form_of, request)
        if form is not None:
            await self._values.prepare(form)
        answering = self._models.answering(request.model)
        model = answering.model
        async with self._models.using(model, PRIORITIES[request.priority]) as loaded:
            submit = await self._to_submit(request, request_id, answering, loaded, form)
            await on_accepted(model.entry.id)
            completion = self._begin(request, request_id, model, loaded, submit, started_at)
            said: list[pb.RunStreamResponse] = []
            async with aclosing(model.engine.generate(submit)) as outputs:
                async for output in outputs:
                    part = completion.add(output)
                    if completion.has_ended:
                        break
                    if part is not None:
                        said.append(part)
                        yield part
        # Only now that the engine, which would go on behind a stop sequence, is told: a client may take long to read.
        if part is not None:
            if form is not None:
                await self._values.check(form, join([*said, part]))
            yield part

    def close(self) -> None:
        """Ends the process in which values are checked."""
        self._values.close()

    async def _to_submit(
        self,
        request: pb.RunRequest,
        request_id: str,
        answering: Answering,
        loaded: LoadedParts,
        form: Form | None,
    ) -> Submit:
        prompt_token_ids = await loaded.chat.encode(
            request, answering.model.entry.default_system_prompt, loaded.limits.max_usable_prompt_tokens
        )
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
        grammar = None if form is None else form.grammar
        return Submit(engine_id, prompt_token_ids, params, PRIORITIES[request.priority], request.cache_salt, grammar)

    def _begin(
        self,
        request: pb.RunRequest,
        request_id: str,
        model: Model,
        loaded: LoadedParts,
        submit: Submit,
        started_at: float,
    ) -> Completion:
        return Completion(
            request_id,
            model.entry.id,
            len(submit.prompt_token_ids),
            loaded.chat.detokenizer(),
            loaded.chat.token_bytes,
            StopSearch(request.stop_sequences, is_included=request.include_stop_sequence),
            StopTokens(submit.params.stop_token_ids, request.include_stop_sequence),
            ToolCallSearch([tool.name for tool in callable_tools(request)]),
            submit.params.min_tokens,
            self._metrics,
            started_at,
        )
