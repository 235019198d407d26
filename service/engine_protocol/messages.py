"""Messages that the edge and an engine's process send each other; `framing` frames them."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service.engine_protocol.engine_config import EngineInfo
from service.engine_protocol.sampling_params import FinishReason, Priority, SamplingParams, TokenLogprobs
from service.engine_protocol.speculative import SpecDecode
from service.engine_protocol.thinking import Thinking

ENGINE_FAILED = "The engine failed while it was running this request. The same request may make it fail again."
"""The message to clients whose request was in a step, or in a process, that failed."""


class GrammarKind(enum.Enum):
    """The kinds of texts that a grammar is made of."""

    JSON_SCHEMA = "json_schema"
    JSON_LINE = "json_line"
    REGEX = "regex"
    CHOICE = "choice"
    LARK = "lark"


@dataclass(frozen=True, slots=True)
class GrammarSpec:
    """The form that a completion must have.

    Attributes:
        kind: What `texts` are.
        texts: One JSON Schema, an object written as JSON; for `JSON_LINE`, what fits it has no white space but behind
            commas and colons. Or one regular expression, which the whole text matches; or the texts of which the
            completion is one. Or a grammar as llguidance writes it and JSON Schemas, to which it refers by their places
            as `@json_0` or `@line_1`. Its rule `begin` stands where a text begins, and `token_0` for a token.
        tokens: Those of a `LARK` grammar, by their places. What is no added token of the vocabulary is written out. The
            first begins a text.
        field: The field of the request that asks for it.
        thinking: What the completion may have before that form; None if nothing.
    """

    kind: GrammarKind
    texts: tuple[str, ...]
    field: str = field(default="response_format", compare=False)
    thinking: Thinking | None = None
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Submit:
    """To the engine: a new request.

    Attributes:
        id: The request's id.
        prompt_token_ids: What it continues.
        params: How its tokens are sampled.
        priority: Whether it gives way to others.
        cache_salt: Whose cached prefixes it may share: those of requests with the same salt.
        grammar: The form that the completion must have; None if any will do.
        account: Who has sent it; accounts run in turn.
        adapter: The name of the LoRA adapter that it uses; empty for none. Only requests with the same share prefixes.
    """

    id: str
    prompt_token_ids: list[int]
    params: SamplingParams
    priority: Priority = Priority.ONLINE
    cache_salt: str = ""
    grammar: GrammarSpec | None = None
    account: str = ""
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Abort:
    """To the engine: nobody waits for this request any more."""

    id: str


@dataclass(frozen=True, slots=True)
class Ready:
    """From the engine, once: the model is loaded."""

    info: EngineInfo


@dataclass(frozen=True, slots=True)
class Loading:
    """From the engine, now and then before `Ready`: how far it is.

    Attributes:
        what: What it does, in a word or two.
        done, total: How much of it is done, and how much there is.
        is_bytes: Whether these are bytes of the weights; otherwise they are pieces.
        is_before: Whether it is done before the weights are loaded.
    """

    what: str
    done: int
    total: int
    is_bytes: bool = True
    is_before: bool = False

    @property
    def share_loaded(self) -> float:
        """The share of the weights that are loaded, from 0 to 1; other things are done once all are."""
        return self.done / self.total if self.is_bytes and self.total else float(not (self.is_bytes or self.is_before))

    def __str__(self) -> str:
        if self.is_bytes:
            return f"{self.what}: {self.done / 1e9:.1f} of {self.total / 1e9:.1f} GB"
        return f"{self.what}: {self.done} of {self.total}"


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """From the engine, instead of `Ready`: the checkpoint can't be served as things are.

    Attributes:
        message: Why.
        free_bytes: What is free on the device if that is too little; None if something else is the reason.
    """

    message: str
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """From the engine, before the step: requests that run for the first time.

    Should the step kill the process, these are the requests that must not be tried again.

    Attributes:
        ids: Their ids.
        is_compiling: Whether it is no step that they begin with, but the compiling of their grammars. Their first step
            is told as well.
    """

    ids: list[str]
    is_compiling: bool = False


@dataclass(frozen=True, slots=True)
class Working:
    """From the engine, now and then within a long step: it gets on."""


class StepOutput(NamedTuple):
    """A sequence's next token. A tuple, as pickle takes ten times as long for a frozen dataclass.

    Attributes:
        id: The request's id.
        token_id: The token.
        finish_reason: Why it is the last one; None if it is not.
        logprobs: Its log probabilities, if the request asks for them.
        num_cached_tokens: How many of the prompt's tokens came from the prefix cache; the same in each output.
        prompt_logprobs: The log probabilities of the prompt's tokens but the first, if the request asks for them; only
            in the first output.
    """

    id: str
    token_id: int
    finish_reason: FinishReason | None
    logprobs: TokenLogprobs | None = None
    num_cached_tokens: int = 0
    prompt_logprobs: Sequence[TokenLogprobs] = ()


class FailureCause(enum.Enum):
    """The kinds of reasons why a request could not be finished."""

    ENGINE = "engine"
    REQUEST = "request"  # what it asks for excludes itself
    GRAMMAR = "grammar"  # the form that it asks for can't be met


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that the engine could not finish.

    Attributes:
        id: The request's id.
        message: Why, for its client to read. Of a grammar's, it follows the name of the field that asks for it.
        cause: What it is for.
    """

    id: str
    message: str
    cause: FailureCause = FailureCause.ENGINE


@dataclass(frozen=True, slots=True)
class StepResult:
    """From the engine, after a step or an abort.

    Attributes:
        outputs: The tokens sampled; several of a sequence in their order.
        failed: The requests that ended without a finish reason.
        aborted: The aborts carried out; their blocks are free.
        num_running, num_waiting: How many sequences there are now.
        num_free_blocks: How many blocks of the KV cache are free; blocks that only the prefix cache has are among them.
        num_preemptions: How many times a sequence was preempted since the engine started.
        num_prompt_tokens: How many tokens of prompts the step computed.
        spec_decode: What came of the step's drafts.
    """

    outputs: list[StepOutput] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    num_running: int = 0
    num_waiting: int = 0
    num_free_blocks: int = 0
    num_preemptions: int = 0
    num_prompt_tokens: int = 0
    spec_decode: SpecDecode = field(default_factory=SpecDecode)
