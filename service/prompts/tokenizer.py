"""The prompt's way from a request to token ids: the checkpoint's chat template, then its tokenizer."""

import asyncio
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer

from service.checkpoints.tokenizer import load_tokenizer, read_end_token_ids
from service.errors import InvalidRequestError
from service.output.detokenizer import Vocabulary
from service.prompts.chat_template import ChatTemplate
from service.prompts.control_texts import text_markers
from service.prompts.conversation import (
    Entry,
    as_trained,
    in_words,
    messages_of,
    text_of,
    thoughts_apart,
    tools_as_trained,
)
from service.prompts.guarded_tokenizer import GuardedTokenizer
from service.prompts.prompt_length import LONG_PROMPTS, MAX_INLINE_BYTES, MAX_SHORT_BYTES, check_length
from service.prompts.template_variables import TemplateVariables, templates_of
from service.prompts.thinking import find_thinking
from service.prompts.token_lengths import TokenLengths
from service.prompts.tool_template import ToolTemplate
from service.prompts.trial_conversations import try_template
from service.requests.bad_words import token_sequences
from service.requests.prompt import Ending, ending_of
from service.requests.tools import described_tools


class Chat:
    """A checkpoint's tokenizer and chat template.

    Args:
        tokenizer: transformers' tokenizer of the checkpoint.
        eos_token_ids: The tokens that end a turn.
        tool_call_format, reasoning_format: See `CatalogModel`.

    Attributes:
        eos_token_ids: As given.
        num_token_ids: All token ids of the tokenizer are below this.
        vocabulary: Turns a completion's tokens into text.
        template_problem: What is broken in the chat template; empty if nothing is, or there is none.
        thinking: How the model's thinking is told from its answers; None if it does not think.
    """

    def __init__(
        self, tokenizer: Any, eos_token_ids: frozenset[int], tool_call_format: str = "", reasoning_format: str = ""
    ) -> None:
        self.eos_token_ids = eos_token_ids
        self._tokenizer = tokenizer
        self._backend: Tokenizer = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self.vocabulary = Vocabulary(self._backend)
        self._lengths = TokenLengths(self._backend)
        self.num_token_ids = max(self._backend.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        templates = templates_of(tokenizer.chat_template)
        self.thinking = find_thinking(reasoning_format, templates, self._backend)
        self._variables = TemplateVariables(templates, thinks=self.thinking is not None)
        self._template = ChatTemplate(tokenizer, "\n".join(templates), tool_call_format)
        self._guarded = GuardedTokenizer(self._backend, tokenizer.all_special_tokens, self._template.source)
        trials = try_template(self._template.render, has_tools=self._template.tools.is_trained)
        self.template_problem = trials.problem if templates else ""
        self._guarded.mark(text_markers([self._template.source, *trials.written], self._guarded.control))

    @classmethod
    def load(
        cls, checkpoint: Path, tool_call_format: str = "", chat_template: str = "", reasoning_format: str = ""
    ) -> "Chat":
        """Reads tokenizer, chat template and end-of-sequence ids from a checkpoint. Takes seconds.

        Args:
            checkpoint: Its folder, or its GGUF file.
            tool_call_format, chat_template, reasoning_format: See `CatalogModel`.

        Raises:
            OSError, ValueError: It holds no tokenizer, or one that can't be read; or the template can't be.
        """
        tokenizer = load_tokenizer(checkpoint)
        if chat_template and not tokenizer.chat_template:
            tokenizer.chat_template = Path(chat_template).read_text(encoding="utf-8")
        eos_token_ids = read_end_token_ids(checkpoint)
        if tokenizer.eos_token_id is not None:
            eos_token_ids |= {tokenizer.eos_token_id}
        return cls(tokenizer, frozenset(eos_token_ids), tool_call_format, reasoning_format)

    @property
    def tool_template(self) -> ToolTemplate:
        """What the chat template knows of tools."""
        return self._template.tools

    async def encode_bad_words(self, words: Sequence[str], vocab_size: int) -> tuple[tuple[int, ...], ...]:
        """The tokens of texts that must not stand in a completion; see `bad_words`.

        Raises:
            InvalidRequestError: The tokenizer has nothing for one of them.
        """
        return (
            await asyncio.to_thread(token_sequences, words, self._guarded.encode_visible, vocab_size) if words else ()
        )

    async def encode(
        self,
        request: pb.RunRequest,
        default_system_prompt: str = "",
        max_prompt_tokens: int | None = None,
        *,
        stands_in: bool = False,
    ) -> list[int]:
        """The token ids of a checked request's prompt.

        What messages and tools say is text, also where it reads like a control token or like a marker of the template:
        nobody can end a message or begin another one with it. What a template takes for structure without either, as
        words at the beginning of a line, anybody can write. Raw text is the whole prompt, so there special tokens are
        what they are.

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
        if not (is_raw or self._template.keeps_texts):
            return
        yield request.prompt.text
        yield from (part.text for message in request.conversation.messages for part in message.content)
        if not (is_raw or self._template.tools.is_trained):
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
        tools = None
        if self.tool_template.is_trained:
            entries, tools = as_trained(messages, self.tool_template), tools_as_trained(request)
        else:
            call_format, has_system_role = self.tool_template.call_format, self._template.has_system_role
            entries = in_words(request, messages, call_format, has_system_role=has_system_role)
        return self._encode_messages(entries, tools, variables, ending, max_prompt_tokens)

    def _encode_raw(self, text: str) -> list[int]:
        bos_token = self._tokenizer.bos_token
        has_bos = bool(bos_token) and text.startswith(bos_token)
        return _token_ids(self._backend, text, add_special_tokens=not has_bos)

    def _encode_messages(
        self, messages: list[Entry], tools: list[Entry] | None, variables: Entry, ending: Ending, most: int | None
    ) -> list[int]:
        quotes = self._guarded.quotes()
        if self._template.looks_for_thoughts:
            messages = thoughts_apart(messages)
        quoted = [{**quotes.quoted(entry), "role": quotes.quoted_role(entry["role"])} for entry in messages]
        if ending is Ending.CONTINUED and self.thinking is not None:
            quoted[-1]["content"] = quotes.quoted_behind(self.thinking.begin, messages[-1])
        try:
            rendered = self._template.render_somehow(quoted, quotes.quoted(tools), quotes.quoted(variables), ending)
        except InvalidRequestError as error:
            raise InvalidRequestError(quotes.restored(error.message), error.field) from error
        check_length(self._lengths, [quotes.restored(rendered)], most)
        return self._guarded.encode(rendered, quotes)


def _token_ids(tokenizer: Tokenizer, text: str, add_special_tokens: bool) -> list[int]:
    # `encode` holds the interpreter lock, for 2 s with a text of 2 MB; this lets go of it
    ids: list[int] = tokenizer.encode_batch_fast([text], add_special_tokens=add_special_tokens)[0].ids
    return ids
