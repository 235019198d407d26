"""A grammar and the check of finished values, driven as the service drives them."""

import asyncio

from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer

from service.demo import CHECKPOINT
from service.engine.grammars.compiler import GrammarCompiler
from service.engine.grammars.matcher import GrammarError
from service.errors import UnsatisfiableFormatError
from service.prompts.tokenizer import Chat
from service.schemas.form import Form
from service.schemas.value_check import ValueCheck
from tests.support.random_schemas import write


class Promise:
    """The demo model's grammars, and the check of what is written by them, without the model."""

    def __init__(self) -> None:
        self.compiler = GrammarCompiler(CHECKPOINT, timeout_s=60.0)
        self.values = ValueCheck()
        self._chat = Chat.load(CHECKPOINT)
        self._tokenizer = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
        vocabulary = self._tokenizer.get_vocab()
        self._closing = frozenset(vocabulary[token] for token in ('"', "]", "}"))

    def close(self) -> None:
        self.compiler.close()
        self.values.close()

    def write(self, form: Form, seed: int) -> str | None:
        """A text that the form's grammar allows; None if it comes to no end."""
        matcher = self.compiler.compile(form.grammar).result()
        token_ids = write(matcher, self._chat.eos_token_ids, self._closing, seed)
        detokenizer = self._chat.vocabulary.detokenizer()
        return None if token_ids is None else detokenizer.push(token_ids) + detokenizer.flush()

    def allows(self, form: Form, text: str) -> bool:
        """Whether the form's grammar allows a text."""
        matcher = self.compiler.compile(form.grammar).result()
        try:
            for token_id in self._tokenizer.encode(text, add_special_tokens=False).ids:
                matcher.accept(token_id)
        except GrammarError:
            return False
        ends = self._chat.eos_token_ids
        return matcher.is_complete or any(
            int(matcher.allowed(ends)[token_id // 32]) >> token_id % 32 & 1 for token_id in ends
        )

    def refusal(self, form: Form, text: str) -> str:
        """Why a finished text is refused; empty if it is not."""
        answer = pb.RunResponse(text=text, finish_reason=pb.FINISH_REASON_STOP)
        try:
            asyncio.run(self.values.check(form, answer))
        except UnsatisfiableFormatError as error:
            return error.message
        return ""
