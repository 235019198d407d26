"""A completion on its way out: what the engine puts out becomes the parts of a stream, and parts become an answer."""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from runstream.v1 import text_generation_pb2 as pb

from service.engine_client.moments import Moments
from service.engine_client.request import EngineOutput
from service.engine_protocol.sampling_params import FinishReason, TokenLogprobs
from service.engine_protocol.thinking import Thinking
from service.metrics import Metrics
from service.output.detokenizer import Vocabulary
from service.output.reasoning import NOTHING, Piece, reasoning_split
from service.output.stop_sequences import StopSearch
from service.output.tool_calls import ToolCallSearch
from service.output.tool_formats.formats import shown_tokens
from service.output.tool_formats.reading import CallDelta
from service.output.tool_formats.special_tokens import without_shown
from service.requests.call_format import CallFormat


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What a completion tells of its request.

    Attributes:
        id: Stands in every part and in the log.
        served_model: The model that answers.
        num_prompt_tokens: For the usage.
        max_tokens: How many tokens the completion may have.
        started_at: When the call came in, by `time.perf_counter`.
        moments: When the engine did what, as far as it has come.
    """

    id: str
    served_model: str
    num_prompt_tokens: int
    max_tokens: int
    started_at: float
    moments: Moments = field(default_factory=Moments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """What ends a completion besides its end-of-sequence tokens and its length.

    Attributes:
        sequences: Texts.
        token_ids: Tokens with which the engine ends it.
        is_included: Whether the text that ended it, or that token's, is part of the completion.
        min_tokens: No sequence is looked for in the text that the first so many tokens settle.
    """

    sequences: Sequence[str] = ()
    token_ids: frozenset[int] = frozenset()
    is_included: bool = False
    min_tokens: int = 0


class Completion:
    """Turns one request's engine outputs into parts, up to its end, and counts them.

    Args:
        request: The request.
        vocabulary: Gives tokens their text, and log probabilities the bytes of theirs.
        stops: What ends the completion.
        tool_names: The tools that it may call, in what comes before a stop sequence.
        metrics: Gets times and counts.
        thinking: What it may begin with before its answer, to which stop sequences, tools and form apply; None if all
            of it is the answer.
        call_format: How the model writes calls.
        has_form: Whether the engine keeps the answer to a form.

    Attributes:
        has_ended: Whether the last part is made. Nothing more is to be added then.
    """

    def __init__(
        self,
        request: RequestInfo,
        vocabulary: Vocabulary,
        stops: Stops,
        tool_names: Collection[str],
        metrics: Metrics,
        thinking: Thinking | None = None,
        call_format: CallFormat = CallFormat.LLAMA3_JSON,
        *,
        has_form: bool = False,
    ) -> None:
        self._request = request
        self._token_bytes = vocabulary.token_bytes
        shown = shown_tokens(call_format) if tool_names else {}
        self._split = reasoning_split(vocabulary, thinking, has_form=has_form, shown=shown)
        self._stops = stops
        self._stop_search = StopSearch(stops.sequences, is_included=stops.is_included)
        self._matched_stop_token_id: int | None = None
        self._tool_calls = ToolCallSearch(tool_names, call_format)
        self._metrics = metrics.of(request.served_model)
        self._last_token_at: float | None = None
        self._num_tokens = self._num_reasoning_tokens = 0
        self._num_cached_tokens = 0
        self._logprobs: list[pb.TokenLogprob] = []
        self._prompt_logprobs: list[pb.TokenLogprob] = []
        self.has_ended = False

    def add_prompt(self, token_ids: list[int], logprobs: Sequence[TokenLogprobs]) -> None:
        """Tells the log probabilities of the prompt's tokens but the first, in the part that is made next."""
        self._prompt_logprobs = list(map(self._logprob, token_ids[1:], logprobs))

    def add(self, output: EngineOutput) -> pb.RunStreamResponse | None:
        """The part that an output makes; None if it settles neither thinking, text nor a call and is not the last.

        The last is that in which the engine has ended the completion, or a stop sequence has. Of that one's tokens,
        those up to the one that lets the stop sequence be found belong to the completion; the others are as if the
        engine had never sampled them.
        """
        num_tokens_before = self._num_tokens
        self._num_cached_tokens = output.num_cached_tokens
        thinking, answer = self._read(output)
        thinking = without_shown(thinking)
        text = self._tool_calls.push(answer)
        self.has_ended = output.finish_reason is not None or self._stop_search.matched is not None
        if self.has_ended:
            text += self._tool_calls.flush()
        num_new_tokens = self._num_tokens - num_tokens_before
        if output.logprobs:
            self._logprobs += map(self._logprob, output.token_ids[:num_new_tokens], output.logprobs)
        finish_reason = self._finish_reason(output) if self.has_ended else pb.FINISH_REASON_UNSPECIFIED
        self._count(num_new_tokens, finish_reason)
        calls = self._tool_calls.take()
        if not (thinking or text or calls or self.has_ended):
            return None
        part = self._part(thinking, text, calls)
        if self.has_ended:
            self._end(part, finish_reason)
        return part

    def _finish_reason(self, output: EngineOutput) -> "pb.FinishReason.ValueType":
        """Why the completion has ended: for its calls if all are whole and it was not cut behind them."""
        calls = self._tool_calls
        is_cut = output.finish_reason is FinishReason.LENGTH and self._stop_search.matched is None
        if calls.has_calls and not calls.is_broken and not (is_cut and calls.has_rest):
            return pb.FINISH_REASON_TOOL_CALLS
        return pb.FINISH_REASON_LENGTH if is_cut else pb.FINISH_REASON_STOP

    def _end(self, part: pb.RunStreamResponse, finish_reason: "pb.FinishReason.ValueType") -> None:
        """Makes a part the last."""
        part.finish_reason = finish_reason
        if self._stop_search.matched is not None:
            part.matched_stop = self._stop_search.matched
        elif self._matched_stop_token_id is not None:
            part.matched_stop_token_id = self._matched_stop_token_id
        part.usage.prompt_tokens = self._request.num_prompt_tokens
        part.usage.completion_tokens = self._num_tokens
        part.usage.cached_prompt_tokens = self._num_cached_tokens
        part.usage.reasoning_tokens = self._num_reasoning_tokens

    def _read(self, output: EngineOutput) -> Piece:
        """What an output's tokens let go out, each counted, up to the one with which a stop is found."""
        thinking = text = ""
        for token_id in output.token_ids:
            piece = self._read_token(token_id)
            thinking += piece.thinking
            text += self._until_stop(piece.answer)
            if self._stop_search.matched is not None:
                return Piece(thinking, text)
        if output.finish_reason is not None:
            rest = self._split.flush()
            thinking += rest.thinking
            text += self._until_stop(rest.answer) + self._stop_search.flush()
        return Piece(thinking, text)

    def _read_token(self, token_id: int) -> Piece:
        self._num_tokens += 1
        was_thinking = self._split.is_thinking
        piece = NOTHING
        if token_id in self._stops.token_ids:
            self._matched_stop_token_id = token_id
        if self._stops.is_included or token_id not in self._stops.token_ids:
            piece = self._split.push(token_id)
        if was_thinking or self._split.is_thinking:
            self._num_reasoning_tokens = self._num_tokens
        return piece

    def _until_stop(self, settled: str) -> str:
        return settled if self._num_tokens <= self._stops.min_tokens else self._stop_search.push(settled)

    def _part(self, thinking: str, text: str, calls: list[CallDelta]) -> pb.RunStreamResponse:
        part = pb.RunStreamResponse(
            id=self._request.id, served_model=self._request.served_model, text=text, reasoning_content=thinking
        )
        # Most parts have only text, and giving protobuf empty lists takes longer than all else here.
        if calls:
            part.tool_calls.extend(
                pb.ToolCallDelta(index=call.index, id=call.id, name=call.name, arguments_json=call.arguments_json)
                for call in calls
            )
        if self._logprobs:
            part.logprobs.extend(self._logprobs)
            self._logprobs = []
        if self._prompt_logprobs:
            part.prompt_logprobs.extend(self._prompt_logprobs)
            self._prompt_logprobs = []
        return part

    def _logprob(self, token_id: int, logprobs: TokenLogprobs) -> pb.TokenLogprob:
        top = [
            pb.TopLogprob(token_id=likely, token=self._token_bytes(likely), logprob=logprob)
            for likely, logprob in logprobs.top
        ]
        token = self._token_bytes(token_id)
        return pb.TokenLogprob(token_id=token_id, token=token, logprob=logprobs.logprob, top=top)

    def _count(self, num_new_tokens: int, finish_reason: "pb.FinishReason.ValueType") -> None:
        request, metrics = self._request, self._metrics
        metrics.count_tokens(num_new_tokens)
        if self._num_tokens == num_new_tokens:
            elapsed_s = time.perf_counter() - request.started_at
            metrics.observe_first_token(elapsed_s, request.num_prompt_tokens, self._num_cached_tokens)
        self._observe_tokens(num_new_tokens)
        if self.has_ended:
            reason = pb.FinishReason.Name(finish_reason).removeprefix("FINISH_REASON_").lower()
            metrics.observe_end(
                reason,
                time.perf_counter() - request.started_at,
                num_prompt_tokens=request.num_prompt_tokens,
                num_tokens=self._num_tokens,
                max_tokens=request.max_tokens,
            )
            metrics.observe_moments(request.moments, self._num_tokens)

    def _observe_tokens(self, num_tokens: int) -> None:
        """Takes the time since the last output; of one with the first token among several it takes none."""
        last_at, self._last_token_at = self._last_token_at, self._request.moments.last_token_at
        if last_at is not None and self._last_token_at is not None:
            self._metrics.observe_tokens(num_tokens, self._last_token_at - last_at)


def join(parts: Iterable[pb.RunStreamResponse]) -> pb.RunResponse:
    """The answer that a whole stream amounts to, by the law in the contract."""
    parts = list(parts)
    first, last = parts[0], parts[-1]
    return pb.RunResponse(
        id=last.id,
        served_model=last.served_model,
        text="".join(part.text for part in parts),
        reasoning_content="".join(part.reasoning_content for part in parts),
        tool_calls=_join_calls(delta for part in parts for delta in part.tool_calls),
        logprobs=[logprob for part in parts for logprob in part.logprobs],
        prompt_logprobs=first.prompt_logprobs,
        finish_reason=last.finish_reason,
        matched_stop=last.matched_stop if last.HasField("matched_stop") else None,
        matched_stop_token_id=last.matched_stop_token_id if last.HasField("matched_stop_token_id") else None,
        usage=last.usage,
    )


def _join_calls(deltas: Iterable[pb.ToolCallDelta]) -> list[pb.ToolCall]:
    calls: dict[int, pb.ToolCall] = {}
    for delta in deltas:
        call = calls.setdefault(delta.index, pb.ToolCall())
        call.id = call.id or delta.id
        call.name = call.name or delta.name
        call.arguments_json += delta.arguments_json
    return [call for _, call in sorted(calls.items())]
