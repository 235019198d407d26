"""The prompt's way from a request to token ids: the checkpoint's chat template, then its tokenizer."""

import asyncio
import functools
import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer

from service.errors import InvalidRequestError
from service.output.detokenizer import Vocabulary
from service.prompts.checkpoint_files import eos_token_ids_of, templates_of
from service.prompts.conversation import Entry, as_trained, in_turns, in_words, messages_of, text_of, tools_as_trained
from service.prompts.json_texts import with_texts
from service.prompts.prompt_length import LONG_PROMPTS, MAX_INLINE_BYTES, MAX_SHORT_BYTES, check_length
from service.prompts.template_variables import TemplateVariables
from service.prompts.thinking import find_thinking
from service.prompts.token_lengths import TokenLengths
from service.requests.bad_words import token_sequences
from service.requests.prompt import Ending, ending_of
from service.requests.tools import described_tools

# What a chat template is written with that may leave out more of a text than white space around it.
_LEAVES_OUT = re.compile(
    r"split|replace|truncate|slice|remove|reject|select|strip(?:tags|\([^)])|(?<!messages)\[[^\]\n]*:[^\]\n]*\]"
)

# A template is a program of the checkpoint's: it may also stumble over messages that it was not written for.
_REFUSALS = (TemplateError, TypeError, ValueError, LookupError, ArithmeticError)

# Of two threads that import transformers for the first time, one finds a package without classes.
_importing = threading.Lock()


class Chat:
    """A checkpoint's tokenizer and chat template.

    Args:
        tokenizer: transformers' tokenizer of the checkpoint.
        eos_token_ids: The tokens that end a turn.
        tool_call_format, reasoning_format: See `CatalogModel`.

    Attributes:
        eos_token_ids: As given.
        vocabulary: Turns a completion's tokens into text.
        thinking: How the model's thinking is told from its answers; None if it does not think.
    """

    def __init__(
        self, tokenizer: Any, eos_token_ids: frozenset[int], tool_call_format: str = "", reasoning_format: str = ""
    ) -> None:
        self.eos_token_ids = eos_token_ids
        self._tokenizer = tokenizer
        self._tool_call_format = tool_call_format
        self._backend: Tokenizer = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self.vocabulary = Vocabulary(self._backend)
        self._lengths = TokenLengths(self._backend)
        templates = templates_of(tokenizer.chat_template)
        self.thinking = find_thinking(reasoning_format, templates, self._backend)
        self._variables = TemplateVariables(templates, thinks=self.thinking is not None)
        special = {token.content for token in self._backend.get_added_tokens_decoder().values() if token.special}
        # the longest first, so that none is found inside another
        alternatives = "|".join(re.escape(content) for content in sorted(special, key=len, reverse=True))
        self._special_pattern = re.compile(alternatives or r"(?!)")

    @classmethod
    def load(
        cls, checkpoint: Path, tool_call_format: str = "", chat_template: str = "", reasoning_format: str = ""
    ) -> "Chat":
        """Reads tokenizer, chat template and end-of-sequence ids from a checkpoint's folder. Takes seconds.

        Takes tokenizer.json as it is. `AutoTokenizer` would import torch, and for some classes build its own tokenizer.

        Args:
            checkpoint: The folder.
            tool_call_format, chat_template, reasoning_format: See `CatalogModel`.

        Raises:
            OSError, ValueError: The folder holds no tokenizer, or one that can't be read; or the template can't be.
        """
        if not (checkpoint / "tokenizer.json").is_file():
            raise FileNotFoundError(f"{checkpoint} has no tokenizer.json, the one form of a tokenizer that is read")
        with _importing:
            from transformers import PreTrainedTokenizerFast  # slow to import, and the engine should be started first

        tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint, local_files_only=True)
        if chat_template and not tokenizer.chat_template:
            tokenizer.chat_template = Path(chat_template).read_text(encoding="utf-8")
        eos_token_ids = eos_token_ids_of(checkpoint)
        if tokenizer.eos_token_id is not None:
            eos_token_ids |= {tokenizer.eos_token_id}
        return cls(tokenizer, frozenset(eos_token_ids), tool_call_format, reasoning_format)

    async def encode_bad_words(self, words: Sequence[str], vocab_size: int) -> tuple[tuple[int, ...], ...]:
        """The tokens of texts that must not stand in a completion; see `bad_words`.

        Raises:
            InvalidRequestError: The tokenizer has nothing for one of them.
        """
        return await asyncio.to_thread(token_sequences, words, self._encode_texts, vocab_size) if words else ()

    def _encode_texts(self, texts: list[str]) -> list[list[int]]:
        has_special = any(map(self._special_pattern.search, texts))
        tokenizer = self._plain_backend if has_special else self._backend
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    async def encode(
        self,
        request: pb.RunRequest,
        default_system_prompt: str = "",
        max_prompt_tokens: int | None = None,
        *,
        stands_in: bool = False,
    ) -> list[int]:
        """The token ids of a checked request's prompt.

        A special token written out in a message is encoded as plain text: who writes a message can't end it or begin
        another one. Raw text is the whole prompt, so there special tokens are what they are.

        Args:
            max_prompt_tokens: What has more by its length alone is refused before it is rendered or tokenized; None if
                the prompt may have any number. It is no check of what comes out.
            stands_in: Whether the request is for another model: its chat template might read more of the variables.

        Raises:
            InvalidRequestError: The chat template refuses the messages, and says why, or takes no such variables.
            ContextWindowExceededError: The prompt must have more than `max_prompt_tokens`.
        """
        if request.HasField("prompt_token_ids"):
            token_ids = list(request.prompt_token_ids.values)
        else:
            most = None if request.truncate_prompt_tokens else max_prompt_tokens
            variables = self._variables.of(request, stands_in=stands_in)
            token_ids = await self._encode_text(request, default_system_prompt, most, variables)
        return token_ids[-request.truncate_prompt_tokens :] if request.truncate_prompt_tokens else token_ids

    async def _encode_text(
        self, request: pb.RunRequest, default_system_prompt: str, max_prompt_tokens: int | None, variables: Entry
    ) -> list[int]:
        encode = functools.partial(self._encode, request, default_system_prompt, max_prompt_tokens, variables)
        num_bytes = request.ByteSize()
        if num_bytes <= MAX_INLINE_BYTES:
            return encode()
        check_length(self._lengths, self._kept_texts(request), max_prompt_tokens)
        executor = LONG_PROMPTS if num_bytes > MAX_SHORT_BYTES else None
        return await asyncio.get_running_loop().run_in_executor(executor, encode)

    def _kept_texts(self, request: pb.RunRequest) -> Iterator[str]:
        """Texts that stand in the prompt whole, up to white space around them; none if the template may change them."""
        is_raw = request.prompt.raw or request.conversation.raw
        if not (is_raw or self._keeps_texts):
            return
        yield request.prompt.text
        yield from (part.text for message in request.conversation.messages for part in message.content)
        if not (is_raw or self._is_trained_for_tools):
            yield from (call.arguments_json for message in request.conversation.messages for call in message.tool_calls)
            yield from (tool.description for tool in described_tools(request))

    def _encode(
        self, request: pb.RunRequest, default_system_prompt: str, max_prompt_tokens: int | None, variables: Entry
    ) -> list[int]:
        if request.conversation.raw:
            return self._encode_raw("".join(map(text_of, request.conversation.messages)))
        if request.prompt.raw:
            return self._encode_raw(request.prompt.text)
        messages, ending = messages_of(request, default_system_prompt), ending_of(request.conversation)
        if self._is_trained_for_tools:
            entries, tools = as_trained(messages), tools_as_trained(request)
        else:
            entries, tools = in_words(request, messages, has_system_role=self._has_system_role), None
        return self._encode_messages(entries, tools, variables, ending, max_prompt_tokens)

    def _encode_raw(self, text: str) -> list[int]:
        bos_token = self._tokenizer.bos_token
        has_bos = bool(bos_token) and text.startswith(bos_token)
        return _token_ids(self._backend, text, add_special_tokens=not has_bos)

    def _encode_messages(
        self, messages: list[Entry], tools: list[Entry] | None, variables: Entry, ending: Ending, most: int | None
    ) -> list[int]:
        quotes: list[str] = []
        nonce = secrets.randbits(64)  # in digits, which a template that changes case leaves alone

        def quote(match: re.Match[str]) -> str:
            quotes.append(match.group())
            return f"\ue000{nonce}:{len(quotes) - 1}\ue001"

        def quoted(text: str) -> str:
            return self._special_pattern.sub(quote, text)

        messages, tools, variables = (with_texts(value, quoted) for value in (messages, tools, variables))
        rendered = self._render_somehow(messages, tools, variables, ending)
        pieces = re.split(f"\ue000{nonce}:(\\d+)\ue001", rendered) if quotes else [rendered]
        pieces[1::2] = [quotes[int(place)] for place in pieces[1::2]]
        check_length(self._lengths, pieces, most, num_pieces=len(pieces) // 2)
        return self._encode_pieces(pieces)

    def _encode_pieces(self, pieces: Sequence[str]) -> list[int]:
        """Encodes what a template wrote; every second piece is a special token that somebody has written out."""
        token_ids: list[int] = []
        known: dict[tuple[str, bool], list[int]] = {}
        for index, piece in enumerate(pieces):
            key = piece, index % 2 == 1
            if key not in known:
                tokenizer = self._plain_backend if key[1] else self._backend
                known[key] = _token_ids(tokenizer, piece, add_special_tokens=False)
            token_ids += known[key]
        return token_ids

    @functools.cached_property
    def _keeps_texts(self) -> bool:
        """Whether the chat template writes texts as they are, up to white space around them."""
        return not _LEAVES_OUT.search(str(self._tokenizer.chat_template))

    @functools.cached_property
    def _plain_backend(self) -> Tokenizer:
        """A copy that takes special tokens for plain text; only a message that has one pays for it."""
        plain = Tokenizer.from_str(self._backend.to_str())
        plain.encode_special_tokens = True
        return plain

    @functools.cached_property
    def _is_trained_for_tools(self) -> bool:
        """Whether what the model was trained to write can be read here, and its chat template tells it of tools."""
        probe = "probe_of_tools"
        tool = {"type": "function", "function": {"name": probe, "description": "", "parameters": {"type": "object"}}}
        return bool(self._tool_call_format) and self._shows(probe, [{"role": "user", "content": "probe"}], [tool])

    @functools.cached_property
    def _has_system_role(self) -> bool:
        """Whether the chat template tells the model what a system says."""
        user = {"role": "user", "content": "probe"}
        return self._shows("probe of system", [{"role": "system", "content": "probe of system"}, user], None)

    def _shows(self, text: str, messages: list[Entry], tools: list[Entry] | None) -> bool:
        try:
            return text in self._render(messages, tools, {})
        except InvalidRequestError:
            return False

    def _render_somehow(
        self, messages: list[Entry], tools: list[Entry] | None, variables: Entry, ending: Ending
    ) -> str:
        """Renders messages; once more, in turns, if the template refuses them or writes nothing of them.

        Raises:
            InvalidRequestError: It refuses both; this is what it said first.
        """
        refusal = InvalidRequestError("the model's chat template writes nothing of the messages", "input")
        for tried in (messages, in_turns(messages, has_system_role=self._has_system_role)):
            try:
                rendered = self._render(tried, tools, variables, ending)
                if rendered.removeprefix(self._tokenizer.bos_token or "").strip():
                    return rendered
            except InvalidRequestError as error:
                refusal = error if tried is messages else refusal
        raise refusal

    def _render(
        self, messages: list[Entry], tools: list[Entry] | None, variables: Entry, ending: Ending = Ending.ANSWER
    ) -> str:
        if not self._tokenizer.chat_template:
            raise InvalidRequestError("the model has no chat template: send the whole prompt with raw", "input")
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                messages,
                tools,
                tokenize=False,
                add_generation_prompt=ending is Ending.ANSWER,
                continue_final_message=ending is Ending.CONTINUED,
                **variables,
            )
        except _REFUSALS as error:
            if ending is Ending.CONTINUED and isinstance(error, ValueError):
                # transformers' words quote the whole prompt
                message = "the model's chat template doesn't write the last message so that it could be continued"
                raise InvalidRequestError(message, "conversation.continue_final_message") from None
            raise InvalidRequestError(f"the model's chat template refuses the messages: {error}", "input") from error
        return rendered


def _token_ids(tokenizer: Tokenizer, text: str, add_special_tokens: bool) -> list[int]:
    # `encode` holds the interpreter lock, for 2 s with a text of 2 MB; this lets go of it
    ids: list[int] = tokenizer.encode_batch_fast([text], add_special_tokens=add_special_tokens)[0].ids
    return ids
