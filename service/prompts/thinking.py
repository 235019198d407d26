"""Where a model's thinking begins: whether it thinks at all, and what of it stands in the prompt already."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer

from service.engine_protocol.thinking import Thinking
from service.output.detokenizer import Vocabulary
from service.prompts.conversation import text_of
from service.requests.reasoning import is_templated

_MARKERS = {"think": ("<think>", "</think>"), "mistral": ("[THINK]", "[/THINK]")}
"""By the catalog's `reasoning_format`."""

_MAX_LAST_TOKENS = 32
"""In which a marker at the end of a prompt stands, with the white space behind it."""


def find_thinking(reasoning_format: str, templates: Iterable[str], tokenizer: Tokenizer) -> Thinking | None:
    """How a checkpoint's thinking is told from its answers; None if it does not think.

    Args:
        reasoning_format: See `CatalogModel`.
        templates: Its chat templates, which name the end of the thinking if they are for a model that thinks.
        tokenizer: Says which markers are tokens.
    """
    texts = list(templates)
    found = (name for name, (_, end) in _MARKERS.items() if any(end in text for text in texts))
    name = reasoning_format or next(found, "none")
    if name not in _MARKERS:
        return None
    begin, end = _MARKERS[name]
    ids = tokenizer.token_to_id(begin), tokenizer.token_to_id(end)
    return Thinking(begin, end) if None in ids else Thinking(begin, end, *ids)


def thinking_behind(
    request: pb.RunRequest, token_ids: Sequence[int], thinking: Thinking | None, vocabulary: Vocabulary
) -> Thinking | None:
    """What of a completion may be thinking; None if all of it is the answer.

    That is so where no chat template made the prompt, and where the thinking has ended in it.

    Args:
        request: The request.
        token_ids: Its prompt.
        thinking: How the model's thinking is told from its answers; None if it does not think.
        vocabulary: Of the model.
    """
    if thinking is None or not is_templated(request):
        return None
    if request.conversation.continue_final_message:
        text = text_of(request.conversation.messages[-1])
        is_open = text.lstrip().startswith(thinking.begin) and thinking.end not in text
        return replace(thinking, is_open=True) if is_open else None
    begin, end = _last_marker(token_ids, thinking, vocabulary)
    return None if end else replace(thinking, is_open=begin)


def _last_marker(token_ids: Sequence[int], thinking: Thinking, vocabulary: Vocabulary) -> tuple[bool, bool]:
    """Whether a prompt ends with the marker before the thinking, or with that behind it, and white space."""
    last = list(token_ids[-_MAX_LAST_TOKENS:])
    if thinking.end_token_id is None:
        text = vocabulary.decode(last).rstrip()
        return text.endswith(thinking.begin), text.endswith(thinking.end)
    while last and vocabulary.token_bytes(last[-1]).isspace():
        last.pop()
    return last[-1:] == [thinking.begin_token_id], last[-1:] == [thinking.end_token_id]
