"""A checkpoint's chat template: what it knows of, and what it writes of messages, in turns if it refuses them."""

import functools
import re
from typing import Any

from jinja2 import TemplateError

from service.errors import InvalidRequestError
from service.prompts.conversation import Entry, in_turns
from service.prompts.tool_template import ToolTemplate, probe
from service.requests.prompt import Ending

# What a chat template is written with that may leave out more of a text than white space around it.
_LEAVES_OUT = re.compile(
    r"split|replace|truncate|slice|remove|reject|select|strip(?:tags|\([^)])|(?<!messages)\[[^\]\n]*:[^\]\n]*\]"
)

_LOOKS_FOR_THOUGHTS = re.compile(r"reasoning_content|split\(\s*['\"]</think>")

# A template is a program of the checkpoint's: it may also stumble over messages that it was not written for.
_REFUSALS = (TemplateError, TypeError, ValueError, LookupError, ArithmeticError)


class ChatTemplate:
    """A checkpoint's chat template.

    Args:
        tokenizer: transformers' tokenizer, which has it.
        source: Its source; that of all of them if there are several; empty for none.
        tool_call_format: See `CatalogModel`.

    Attributes:
        source: As given.
    """

    def __init__(self, tokenizer: Any, source: str, tool_call_format: str) -> None:
        self.source = source
        self._tokenizer = tokenizer
        self._tool_call_format = tool_call_format

    @functools.cached_property
    def keeps_texts(self) -> bool:
        """Whether it writes texts as they are, up to white space around them."""
        return not _LEAVES_OUT.search(self.source)

    @functools.cached_property
    def looks_for_thoughts(self) -> bool:
        """Whether it finds in what an assistant said what it had thought before."""
        return _LOOKS_FOR_THOUGHTS.search(self.source) is not None

    @functools.cached_property
    def tools(self) -> ToolTemplate:
        """What it knows of tools."""
        return probe(self.render, self._tool_call_format)

    @functools.cached_property
    def has_system_role(self) -> bool:
        """Whether it tells the model what a system says."""
        user = {"role": "user", "content": "probe"}
        return self._shows("probe of system", [{"role": "system", "content": "probe of system"}, user], None)

    def render_somehow(self, messages: list[Entry], tools: list[Entry] | None, variables: Entry, ending: Ending) -> str:
        """Renders messages; once more, in turns, if it refuses them or writes nothing of them.

        Raises:
            InvalidRequestError: It refuses both; this is what it said first.
        """
        refusal = InvalidRequestError("the model's chat template writes nothing of the messages", "input")
        for tried in (messages, in_turns(messages, has_system_role=self.has_system_role)):
            try:
                rendered = self.render(tried, tools, variables, ending)
                if rendered.removeprefix(self._tokenizer.bos_token or "").strip():
                    return rendered
            except InvalidRequestError as error:
                refusal = error if tried is messages else refusal
        raise refusal

    def render(
        self,
        messages: list[Entry],
        tools: list[Entry] | None,
        variables: Entry | None = None,
        ending: Ending = Ending.ANSWER,
    ) -> str:
        """What it writes of messages.

        Raises:
            InvalidRequestError: It refuses them, or there is none. The cause is what it has raised.
        """
        if not self._tokenizer.chat_template:
            raise InvalidRequestError("the model has no chat template: send the whole prompt with raw", "input")
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                messages,
                tools,
                tokenize=False,
                add_generation_prompt=ending is Ending.ANSWER,
                continue_final_message=ending is Ending.CONTINUED,
                **(variables or {}),
            )
        except _REFUSALS as error:
            if ending is Ending.CONTINUED and isinstance(error, ValueError):
                # transformers' words quote the whole prompt
                message = "the model's chat template doesn't write the last message so that it could be continued"
                raise InvalidRequestError(message, "conversation.continue_final_message") from None
            raise InvalidRequestError(f"the model's chat template refuses the messages: {error}", "input") from error
        return rendered

    def _shows(self, text: str, messages: list[Entry], tools: list[Entry] | None) -> bool:
        try:
            return text in self.render(messages, tools)
        except InvalidRequestError:
            return False
