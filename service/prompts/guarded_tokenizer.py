"""A tokenizer in which a control token is found only where a chat template has written it."""

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence

from tokenizers import AddedToken, Tokenizer, pre_tokenizers

from service.prompts.control_texts import control_tokens
from service.prompts.literal_pattern import Beginnings, literal_pattern
from service.prompts.quotes import ROLES, Quotes

# How a template compares a message's role with those that its model knows beside the common ones.
_QUOTED_WORD = re.compile(r"""['"](\w+)['"]""")


class GuardedTokenizer:
    """A second tokenizer beside a checkpoint's, of the same vocabulary, with secret names for its control tokens.

    What a template writes is renamed. What others write is not, so it is text like any other: it is neither cut from
    what stands around it nor changed. All else has the tokens that the checkpoint's own tokenizer gives it.

    Some markers are no tokens, as Llama 2's `[INST]`. Where others than the template write one, its text stays, and
    each of its characters is encoded for itself. These are not the tokens that the template's marker has.

    Args:
        tokenizer: The checkpoint's. It shares its vocabulary.
        named: The special tokens that its config names.
        template: The chat template's source.

    Attributes:
        control: The texts of the control tokens.
    """

    def __init__(self, tokenizer: Tokenizer, named: Collection[str], template: str) -> None:
        added = tokenizer.get_added_tokens_decoder()
        tokens = control_tokens(added.values(), named, template)
        nonce = secrets.randbits(64)
        self._seam = f"<{nonce}>"
        names = {content: f"<{nonce}:{index}>" for index, content in enumerate(tokens)}
        self.control = frozenset(names)
        self._names = names
        self._names_of_unmarked = {content: names[content] for content in names if not tokens[content].special}
        self._only_apart = frozenset(content for content, token in tokens.items() if token.single_word)
        self._written = literal_pattern(names)
        self._tokenizer = _renamed(tokenizer, added.values(), names, self._seam)
        self._ids = {
            self._tokenizer.token_to_id(names.get(token.content, token.content)): token_id
            for token_id, token in added.items()
        }
        unknown = getattr(tokenizer.model, "unk_token", None)
        self._ids_of_texts = {tokenizer.model.token_to_id(content) for content in names if content != unknown} - {None}
        self._roles = ROLES | set(_QUOTED_WORD.findall(template))
        self.mark(())

    def mark(self, markers: Iterable[str]) -> None:
        """Learns the markers that the template writes as plain text."""
        self._markers = frozenset(markers)
        texts = self.control | self._markers
        self._quoted, self._begun = literal_pattern(texts), Beginnings(texts)
        self._all = "\n".join(texts)

    def quotes(self) -> Quotes:
        """For the texts of one prompt."""
        return Quotes(self._quoted, self._begun.at_end_of, self._all, self._roles)

    def encode(self, rendered: str, quotes: Quotes) -> list[int]:
        """The token ids of what a template has written of texts that were quoted. Takes time linear in its length."""
        renamed = self._rename(rendered, self._names)
        (token_ids,) = self._encode([quotes.restored(renamed, self._as_text)])
        if not self._ids_of_texts.isdisjoint(token_ids):
            # A vocabulary may make a control token of its text by itself, but never of single characters.
            (token_ids,) = self._encode([quotes.restored(renamed, self._seam.join)])
        return self._with_own_ids(token_ids)

    def encode_visible(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids with which a model writes texts. Special tokens have none, but control tokens not so marked."""
        encoded = self._encode([self._rename(text, self._names_of_unmarked) for text in texts])
        return list(map(self._with_own_ids, encoded))

    def _as_text(self, quoted: str) -> str:
        return self._seam.join(quoted) if quoted in self._markers else quoted

    def _rename(self, text: str, names: Mapping[str, str]) -> str:
        def name(match: re.Match[str]) -> str:
            content = match.group()
            is_found = content not in self._only_apart or _stands_apart(match)
            return names.get(content, content) if is_found else content

        return self._written.sub(name, text)

    def _encode(self, texts: list[str]) -> list[list[int]]:
        # `encode` holds the interpreter lock, for 2 s with a text of 2 MB; this lets go of it
        encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [encoding.ids for encoding in encoded]

    def _with_own_ids(self, token_ids: list[int]) -> list[int]:
        return [self._ids.get(token_id, token_id) for token_id in token_ids]


def _stands_apart(match: re.Match[str]) -> bool:
    """Whether neither side continues a word, which is where a tokenizer finds tokens that are words of their own."""
    start, end = match.span()
    around = match.string[max(0, start - 1) : start], match.string[end : end + 1]
    return not any(re.match(r"\w", character) for character in around)


def _renamed(tokenizer: Tokenizer, added: Iterable[AddedToken], names: Mapping[str, str], seam: str) -> Tokenizer:
    """A tokenizer of the same model with other names of its added tokens, and a text at which words are cut."""
    renamed = Tokenizer(tokenizer.model)
    if tokenizer.normalizer is not None:
        renamed.normalizer = tokenizer.normalizer
    cut, own = pre_tokenizers.Split(seam, "removed"), tokenizer.pre_tokenizer
    # Metaspace writes a space before each part that it is given; others, where the text has one.
    parts = [part for part in ([own, cut] if "Metaspace" in repr(own) else [cut, own]) if part is not None]
    renamed.pre_tokenizer = pre_tokenizers.Sequence(parts)
    named = [_with_name(token, names[token.content]) for token in added if token.content in names]
    renamed.add_tokens([AddedToken(f"<{index} of {seam}>") for index in range(_num_taken(tokenizer, len(named)))])
    renamed.add_tokens([*named, *(token for token in added if token.content not in names)])
    return renamed


def _num_taken(tokenizer: Tokenizer, num_new: int) -> int:
    """How many ids new tokens must leave out: they begin at a vocabulary's size, and one with gaps has higher ones."""
    start = end = tokenizer.get_vocab_size(with_added_tokens=False)
    while end - start < num_new:
        end += 1
        if tokenizer.model.id_to_token(end - 1) is not None:
            start = end
    return start - tokenizer.get_vocab_size(with_added_tokens=False)


def _with_name(token: AddedToken, name: str) -> AddedToken:
    flags = {flag: getattr(token, flag) for flag in ("single_word", "lstrip", "rstrip", "normalized")}
    return AddedToken(name, special=False, **flags)
