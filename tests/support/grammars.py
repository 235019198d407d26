"""Models with tokenizers, and the grammars that tests want of them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from service.engine.engine import Engine
from service.engine.grammars.compiler import GrammarCompiler
from service.engine_protocol.messages import GrammarKind, GrammarSpec
from service.engine_protocol.sampling_params import FinishReason, SamplingParams
from service.output.detokenizer import Vocabulary
from tests.support.checkpoints import save_tiny_model
from tests.support.engines import finish, make_engine, tokens_of
from tests.support.tokenizers import save_tokenizer

EOS = frozenset({2})
PROMPT = [5, 6, 7]
ENDLESS = {"anyOf": [{"type": "integer", "multipleOf": prime} for prime in (997, 991, 983, 977, 971, 967)]}
"""A schema that llguidance 1.9.1 compiles for ever."""


def schema(value: object) -> GrammarSpec:
    return GrammarSpec(GrammarKind.JSON_SCHEMA, (json.dumps(value),))


def regex(pattern: str) -> GrammarSpec:
    return GrammarSpec(GrammarKind.REGEX, (pattern,))


def choice(*texts: str) -> GrammarSpec:
    return GrammarSpec(GrammarKind.CHOICE, texts)


def sampled(**changes: Any) -> SamplingParams:
    settings: dict[str, Any] = {"max_tokens": 900, "temperature": 1.0, "eos_token_ids": EOS}
    return SamplingParams(**(settings | changes))


class Model:
    """A checkpoint with tokenizer, the compiler of its grammars, and an engine."""

    def __init__(self, checkpoint: Path, timeout_s: float = 60.0) -> None:
        self.checkpoint = checkpoint
        self.compiler = GrammarCompiler(checkpoint, timeout_s)
        self.engine = make_engine(checkpoint, num_blocks=400)
        self._tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        self._vocabulary = Vocabulary(self._tokenizer)

    def submit(self, name: str, spec: GrammarSpec, params: SamplingParams, engine: Engine | None = None) -> None:
        (engine or self.engine).submit(name, PROMPT, params, grammar=self.compiler.compile(spec).result())

    def complete(self, spec: GrammarSpec, **params: Any) -> tuple[str, FinishReason | None]:
        """A completion's text as the edge makes it, and why it ended."""
        self.submit("it", spec, sampled(**params))
        outputs = finish(self.engine)
        assert is_whole(self.engine)
        return self.text(tokens_of(outputs, "it")), outputs[-1].finish_reason

    def token_id(self, text: str) -> int:
        """The token of a character."""
        token_id = self._tokenizer.token_to_id(text)
        if token_id is None:
            token_id = self._tokenizer.token_to_id(f"<0x{ord(text):02X}>")
        assert token_id is not None
        return token_id

    def token_ids(self, text: str) -> list[int]:
        """The tokens of a text as a model writes them at its beginning."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def text(self, token_ids: Iterable[int], shown: Mapping[str, str] | None = None) -> str:
        detokenizer = self._vocabulary.detokenizer(shown)
        return detokenizer.push(token_ids) + detokenizer.flush()


def is_whole(engine: Engine) -> bool:
    return engine.block_pool.num_free == engine.block_pool.num_blocks and not engine.has_work


def save_model(folder: Path, tokenizer: Tokenizer) -> Path:
    save_tiny_model(folder, vocab_size=tokenizer.get_vocab_size())
    return save_tokenizer(folder, tokenizer)
