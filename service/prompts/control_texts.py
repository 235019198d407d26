"""What only a chat template may write: the texts of tokens that control a model, and markers that are plain text.

An added token is a control token if its tokenizer marks it as special. Many that are not marked control a model too,
as Qwen's `<tool_call>` and `<think>`. Others are text, as Gemma's `<h1>` and runs of line breaks. So one that is not
marked is a control token if it stands in brackets and is no tag of HTML. It is one, too, if the chat template writes it
and it is neither a word nor white space.
"""

import re
from collections.abc import Collection, Iterable

from tokenizers import AddedToken

# The elements of HTML's living standard, those that it calls obsolete, and `bbox`, which Gemma has among them.
_HTML = re.compile(
    r"</?(?:"
    r"a|abbr|acronym|address|applet|area|article|aside|audio|b|base|bbox|bdi|bdo|big|blink|"
    r"blockquote|body|br|button|canvas|caption|center|cite|code|col|colgroup|data|datalist|dd|del|"
    r"details|dfn|dialog|dir|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|frame|"
    r"frameset|head|header|hgroup|hr|html|i|iframe|img|input|ins|kbd|label|legend|li|link|main|"
    r"map|mark|marquee|math|menu|meta|meter|nav|nobr|noframes|noscript|object|ol|optgroup|option|"
    r"output|p|param|picture|pre|progress|q|rp|rt|ruby|s|samp|script|search|section|select|slot|"
    r"small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|template|textarea|"
    r"tfoot|th|thead|time|title|tr|track|tt|u|ul|var|video|wbr|h[1-6]"
    r")>",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"<\S*\w\S*>|\[/?[A-Za-z]\S*\]")

# As templates write them where they are no tokens: `[INST]`, `<<SYS>>`, `<|user|>`, `<start_of_turn>`.
_MARKER = re.compile(r"\[/?[A-Z][A-Z_]*\]|<</?[A-Z]+>>|<([|｜])[\w/:.-]{1,40}\1>|</?[A-Za-z][\w-]{0,40}>")


def control_tokens(added: Iterable[AddedToken], named: Collection[str], template: str) -> dict[str, AddedToken]:
    """Those of the added tokens that control the model, by their texts.

    Args:
        added: All added tokens of the tokenizer.
        named: Those that its config names: which one begins a text, ends it, and so on.
        template: The chat template's source.
    """
    return {
        token.content: token
        for token in added
        if token.special or token.content in named or _controls(token.content, template)
    }


def text_markers(written: Iterable[str], control: Collection[str]) -> set[str]:
    """Markers that a template writes as plain text.

    Args:
        written: The template's source, and what it has written of messages that have no markers.
        control: The texts of control tokens.
    """
    found = {match.group() for text in written for match in _MARKER.finditer(text)}
    return {marker for marker in found if marker not in control and not _HTML.fullmatch(marker)}


def _controls(content: str, template: str) -> bool:
    if _BRACKETS.fullmatch(content):
        return not _HTML.fullmatch(content) or content in template
    is_word = all(character.isalnum() or character.isspace() or character == "▁" for character in content)
    return not is_word and content in template
