"""The prompt's way from a request to token ids: the checkpoint's chat template, then its tokenizer."""

import asyncio
import functools
import json
import re
import secrets
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer

from service.detokenizer import Detokenizer, Vocabulary
from service.errors import InvalidRequestError

# Up to here encoding takes about a millisecond, less than the event loop needs to notice.
_MAX_INLINE_CHARACTERS = 4096


class Chat:
    """A checkpoint's tokenizer and chat template.

    Args:
        tokenizer: transformers' tokenizer of the checkpoint.
        eos_token_ids: The tokens that end a turn.

    Attributes:
        eos_token_ids: As given.
    """

    def __init__(self, tokenizer: Any, eos_token_ids: frozenset[int]) -> None:
        self.eos_token_ids = eos_token_ids
        self._tokenizer = tokenizer
        self._backend: Tokenizer = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self._vocabulary = Vocabulary(self._backend)
        special = {token.content for token in self._backend.get_added_tokens_decoder().values() if token.special}
        # the longest first, so that none is found inside another
        alternatives = "|".join(re.escape(content) for content in sorted(special, key=len, reverse=True))
        self._special_pattern = re.compile(alternatives or r"(?!)")

    @classmethod
    def load(cls, checkpoint: Path) -> "Chat":
        """Reads tokenizer, chat template and end-of-sequence ids from a checkpoint's folder. Takes seconds.

        Takes tokenizer.json as it is. `AutoTokenizer` would import torch, and for some classes build its own tokenizer.

        Raises:
            OSError, ValueError: The folder holds no tokenizer, or one that can't be read.
        """
        from transformers import PreTrainedTokenizerFast  # slow to import, and the engine should be started first

        tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint, local_files_only=True)
        eos_token_ids = _eos_token_ids(checkpoint)
        if tokenizer.eos_token_id is not None:
            eos_token_ids |= {tokenizer.eos_token_id}
        return cls(tokenizer, frozenset(eos_token_ids))

    def detokenizer(self) -> Detokenizer:
        """What turns one completion's tokens into text."""
        return self._vocabulary.detokenizer()

    def token_bytes(self, token_id: int) -> bytes:
        """What a token adds to a text; see `Vocabulary`."""
        return self._vocabulary.token_bytes(token_id)

    async def encode(self, request: pb.RunRequest, default_system_prompt: str = "") -> list[int]:
        """The token ids of a checked request's prompt.

        A special token written out in a message is encoded as plain text: who writes a message can't end it or begin
        another one. Raw text is the whole prompt, so there special tokens are what they are.

        Raises:
            InvalidRequestError: The chat template refuses the messages; it says why.
        """
        if request.ByteSize() <= _MAX_INLINE_CHARACTERS:
            return self._encode(request, default_system_prompt)
        return await asyncio.to_thread(self._encode, request, default_system_prompt)

    def _encode(self, request: pb.RunRequest, default_system_prompt: str) -> list[int]:
        if request.WhichOneof("input") == "conversation":
            messages = [(message.role, _text(message)) for message in request.conversation.messages]
            if request.conversation.raw:
                return self._encode_raw("".join(text for _, text in messages))
            return self._encode_messages(messages)
        if request.prompt.raw:
            return self._encode_raw(request.prompt.text)
        system = [("system", default_system_prompt)] if default_system_prompt else []
        return self._encode_messages([*system, ("user", request.prompt.text)])

    def _encode_raw(self, text: str) -> list[int]:
        bos_token = self._tokenizer.bos_token
        has_bos = bool(bos_token) and text.startswith(bos_token)
        return _token_ids(self._backend, text, add_special_tokens=not has_bos)

    def _encode_messages(self, messages: list[tuple[str, str]]) -> list[int]:
        quotes: list[str] = []
        nonce = secrets.randbits(64)  # in digits, which a template that changes case leaves alone

        def quote(match: re.Match[str]) -> str:
            quotes.append(match.group())
            return f"\ue000{nonce}:{len(quotes) - 1}\ue001"

        rendered = self._render([(role, self._special_pattern.sub(quote, text)) for role, text in messages])
        if not quotes:
            return _token_ids(self._backend, rendered, add_special_tokens=False)
        token_ids: list[int] = []
        for index, piece in enumerate(re.split(f"\ue000{nonce}:(\\d+)\ue001", rendered)):
            is_quote = index % 2 == 1
            tokenizer, text = (self._plain_backend, quotes[int(piece)]) if is_quote else (self._backend, piece)
            token_ids += _token_ids(tokenizer, text, add_special_tokens=False)
        return token_ids

    @functools.cached_property
    def _plain_backend(self) -> Tokenizer:
        """A copy that takes special tokens for plain text; only a message that has one pays for it."""
        plain = Tokenizer.from_str(self._backend.to_str())
        plain.encode_special_tokens = True
        return plain

    def _render(self, messages: list[tuple[str, str]]) -> str:
        if not self._tokenizer.chat_template:
            raise InvalidRequestError("the model has no chat template: send the whole prompt with raw", "input")
        conversation = [{"role": role, "content": text} for role, text in messages]
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            raise InvalidRequestError(f"the model's chat template refuses the messages: {error}", "input") from error
        return rendered


def _text(message: pb.Message) -> str:
    return "".join(part.text for part in message.content)


def _token_ids(tokenizer: Tokenizer, text: str, add_special_tokens: bool) -> list[int]:
    # `encode` holds the interpreter lock, for 2 s with a text of 2 MB; this lets go of it
    ids: list[int] = tokenizer.encode_batch_fast([text], add_special_tokens=add_special_tokens)[0].ids
    return ids


def _eos_token_ids(checkpoint: Path) -> set[int]:
    """All that the checkpoint's configs name: Llama 3.1 has three, of which its tokenizer knows one."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        path = checkpoint / name
        named = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.is_file() else None
        found.update([named] if isinstance(named, int) else named or [])
    return found
