"""Other ways to put a question: in a frame, after a sentence that says nothing, with other words, in another order."""

import random
import re

# Around a noun phrase, "the capital of France".
NOUN_FRAMES = (
    "{x}", "{x} please", "tell me {x}", "name {x}", "give me {x}", "I need {x}", "I'm looking for {x}", "do you know {x}", "what would {x} be", "what might {x} be",
    "{x} is what", "{x} would be", "{x} is called what", "can you name {x}", "could you give me {x}", "let me know {x}", "I want {x}", "I'd like {x}", "I forgot {x}",
    "I can't remember {x}", "remind me of {x}", "what do you call {x}", "what do people call {x}", "please name {x}", "state {x}", "say {x}", "and {x}", "I'm after {x}",
    "the question is {x}", "my quiz asks for {x}", "can you find {x}", "help me with {x}", "what exactly is {x}", "what again is {x}", "{x}, what is it", "{x}, which is it",
    "{x}, do you know it", "so {x} is", "what's {x} called", "do you remember {x}", "would you know {x}", "any idea about {x}", "somebody asked me for {x}", "look up {x}",
    "I have to write down {x}", "what could {x} be", "I never knew {x}", "I would love to learn {x}", "please remind me of {x}", "what was {x} again", "what has to be {x}",
    "which one is {x}", "I keep forgetting {x}", "may I have {x}", "is there a name for {x}", "answer with {x}", "what do we call {x}", "if I remember right, {x} is",
)  # fmt: skip
# Around a clause, "where France is".
CLAUSE_FRAMES = (
    "tell me {x}", "do you know {x}", "can you tell me {x}", "I want to know {x}", "I wonder {x}", "any idea {x}", "I'd like to know {x}", "I never learned {x}", "could you say {x}",
    "please explain {x}", "my teacher asked me {x}", "I forgot {x}", "I can't remember {x}", "nobody here knows {x}", "let me know {x}", "I need to know {x}", "help me remember {x}",
    "I am trying to find out {x}", "we are arguing about {x}", "I have no clue {x}", "we'd love to hear {x}", "remind me {x}", "it slipped my mind {x}", "can somebody tell me {x}",
    "would you know {x}", "could you explain to me {x}", "do you happen to know {x}", "just tell me {x}", "go ahead and tell me {x}", "{x}, do you know", "{x}, any idea", "{x} - I forgot",
    "I keep asking myself {x}", "what would you say {x}", "please say {x}", "I was wondering {x}", "I'm curious {x}", "could you please tell me {x}", "have you heard {x}",
    "I'd be glad to hear {x}", "I should know {x}", "explain to me {x}", "I am not sure {x}", "does anyone know {x}", "be so kind and tell me {x}", "I'm asking {x}", "show me {x}",
)  # fmt: skip
_PEOPLE = (
    "my son", "my daughter", "my teacher", "my boss", "a friend", "my neighbour", "someone at work", "my sister", "my grandmother", "a colleague", "my wife", "my husband",
    "a man on the bus", "our guide", "my little brother", "the class", "my mum", "my dad", "an old friend", "one of my students",
)  # fmt: skip
_SAID = (
    "asked me this", "wants to know", "keeps asking", "bet me a coffee on this", "told me to ask you", "was wondering", "did not know this", "says you know this", "needs this for school",
    "would like an answer", "had no idea", "is curious", "asked me yesterday", "can't sleep without an answer", "and I disagree on this", "thinks I should know",
)  # fmt: skip
_STATEMENTS = (
    "I have a quiz tomorrow", "it's for a crossword", "this is easy I guess", "a silly question", "this may be a dumb one", "I should know this", "I never paid attention at school",
    "I love this subject", "I'm preparing a lesson", "we have a bet", "I read about it yesterday", "I'm on the train and bored", "sorry to bother you", "one for the quiz", "not sure who to ask",
    "been thinking about this all day", "I'm new here", "let's see what you know", "here is one", "another one for you", "I have a small question", "this one is for school", "I was reading a book",
    "I saw it on TV", "we talked about it at dinner", "I'm writing a letter", "hope you are well", "it is late and I forget things", "you may find this strange", "I only need a short answer",
    "I love pizza", "the weather is nice", "I'm cooking right now", "I just woke up", "work was long today", "ok let me try you", "I heard you are good at this", "maybe you can help",
)  # fmt: skip
_OPENERS = (
    "please ", "hey, ", "hey ", "hi, ", "hello, ", "ok, ", "ok ", "so ", "so, ", "well, ", "quick question: ", "tell me, ", "say, ", "um ", "and ", "now ", "hi! ", "Hello! ", "just ", "alright, ",
    "I want to know: ", "a question: ", "I was wondering, ", "just curious, ", "one more thing: ", "dear assistant, ", "sorry, ", "do you know this: ", "hmm ", "right, ", "oh, ", "listen, ",
    "let me ask you: ", "another question: ", "maybe you know: ", "for a quiz: ", "question - ", "ah, ", "hmm, ", "can you tell me: ", "if I may ask, ", "by the way, ", "real quick, ", "honestly, ",
)  # fmt: skip
_CLOSERS = (
    " please", ", please", " pls", " thanks", " for me", ", do you know", " exactly", " actually", " then", " by the way", ", I forgot", " again", " anyway", " though", " quickly", ", friend",
    ", can you say", ", I'd like to know", " right now", ", my friend", " in short", ", tell me", ", any idea", " then please", ", thanks in advance", ", if you know", ", it's for a quiz",
    ", asking for a friend", ", would you", " if you can", ", I'm curious", " I wonder", ", that would help me a lot", ", you know", " or so", ", go on", " you think", ", in your opinion",
)  # fmt: skip
_FILLERS = (
    "actually", "maybe", "exactly", "really", "um", "like", "just", "then", "even", "kindly", "now", "perhaps", "well", "please", "again", "usually", "normally", "basically", "generally",
)  # fmt: skip
_UNSTRESSED = frozenset((
    "what", "what's", "is", "are", "the", "a", "an", "of", "do", "does", "you", "me", "i", "it", "to", "in", "on", "for", "can", "could", "would", "tell", "please", "which", "there", "has", "have",
    "that", "this", "did", "was", "be", "they", "people", "know", "give", "say", "name", "i'd", "like", "i'm", "my", "with", "at", "by",
))  # fmt: skip
_SYNONYMS = {
    "largest": ("biggest", "greatest", "most enormous"), "biggest": ("largest", "greatest", "hugest"), "highest": ("tallest",), "tallest": ("highest",), "smallest": ("tiniest", "littlest"),
    "fastest": ("quickest", "speediest"), "person": ("human", "human being", "man"), "people": ("folks", "humans", "everyone", "they"), "wrote": ("authored", "is the writer of", "has written"),
    "author": ("writer",), "painted": ("made", "is the painter of", "drew"), "painter": ("artist",), "invented": ("created", "came up with", "made", "thought up", "built"),
    "created": ("invented", "made", "developed", "started"), "inventor": ("creator", "maker"), "discovered": ("found", "first saw"), "world": ("earth", "planet", "whole world"),
    "many": ("much", "many many"), "located": ("situated", "found", "placed"), "called": ("named", "known as"), "country": ("nation", "land", "state"), "city": ("town", "place"),
    "language": ("tongue",), "speak": ("talk", "use"), "spoken": ("used", "heard"), "currency": ("money", "cash", "coin"), "money": ("cash", "currency"), "number": ("count", "amount"),
    "make": ("give", "produce", "form"), "mix": ("blend", "combine", "stir together"), "mixed": ("blended", "combined"), "comes": ("follows", "goes"), "after": ("following", "right after"),
    "before": ("ahead of", "just before"), "young": ("little", "newborn"), "kind": ("sort", "type"), "sound": ("noise", "call"), "say": ("tell", "express"),
    "explain": ("describe", "clarify"), "describe": ("explain",), "mean": ("stand for", "signify"), "reason": ("cause",), "animal": ("creature", "beast"), "color": ("colour", "shade"),
    "colour": ("color", "shade", "hue"), "opposite": ("contrary", "reverse", "antonym"), "plural": ("plural form",), "story": ("tale",), "joke": ("gag", "pun"),
    "find": ("see", "locate"), "boil": ("start to boil", "begin boiling", "cook"), "freeze": ("start to freeze", "turn to ice"), "live": ("stay", "dwell", "are found"), "made": ("produced",),
    "eat": ("feed on", "like to eat", "live on"), "word": ("term", "expression"), "translate": ("put", "turn"), "first": ("very first", "earliest"), "popular": ("loved", "liked"), "who": ("which person",),
    "good": ("great", "nice", "tasty"), "main": ("chief", "principal"), "moon": ("Moon", "lunar surface"), "get": ("obtain", "have"), "happens": ("results",), "capital": ("capital city", "capital"),
}  # fmt: skip
_VERB_S = {
    "mean": "means", "say": "says", "make": "makes", "come": "comes", "belong": "belongs", "lie": "lies", "stand": "stands", "do": "does", "sound": "sounds", "have": "has", "eat": "eats",
    "walk": "walks", "cost": "costs", "work": "works", "taste": "tastes", "rain": "rains",
}  # fmt: skip
_NOUN_QUESTION = re.compile(
    r"(?:what is|what's|what are|who is|who was|which is|name|tell me|give me) (the .+|your .+|my .+)"
)
_IS_QUESTION = re.compile(r"((?:what|where|who|when|how \w+|(?:what|which) \w+)) (is|are|was) (.+)")
_DO_QUESTION = re.compile(r"((?:what|where|when|why|how|how \w+|how many \w+|(?:what|which) \w+)) (does|do|did) (.+)")
_SUBJECT_QUESTION = re.compile(r"(?:who|which \w+|what \w+) (?!is|are|was|does|do|did|would|can)\w+ .+")
_PREPOSITION = re.compile(r"(.+) (in|on|for|from|of|with|about|like|called|located|made of|made from)")
_LONG_WORD = re.compile(r"[a-zA-Z]{5,}")


def noun_phrase(question: str) -> str | None:
    """ "the capital of France" for "what is the capital of France"; None for other kinds of question."""
    found = _NOUN_QUESTION.fullmatch(question)
    return found[1] if found else None


def clause(question: str) -> str | None:
    """ "where France is" for "where is France"; None where no clause can be made."""
    if _SUBJECT_QUESTION.fullmatch(question):
        return question
    if found := _IS_QUESTION.fullmatch(question):
        asked_for, verb, rest = found.groups()
        ending = _PREPOSITION.fullmatch(rest)
        return f"{asked_for} {ending[1]} {verb} {ending[2]}" if ending else f"{asked_for} {rest} {verb}"
    if found := _DO_QUESTION.fullmatch(question):
        asked_for, verb, rest = found.groups()
        if verb == "does":
            rest = " ".join(_VERB_S.get(word, word) for word in rest.split(" "))
        return f"{asked_for} {rest}"
    return None


def framed(rng: random.Random, question: str) -> str:
    """The question in a frame, or as it is."""
    draw = rng.random()
    if draw < 0.3 and (noun := noun_phrase(question)):
        return rng.choice(NOUN_FRAMES).format(x=noun)
    if draw < 0.6 and (subordinate := clause(question)):
        return rng.choice(CLAUSE_FRAMES).format(x=subordinate)
    return question


def _is_unstressed(word: str) -> bool:
    return word.lower() in _UNSTRESSED


def with_synonyms(rng: random.Random, text: str) -> str:
    """The text with some of its words replaced."""
    words = text.split(" ")
    return " ".join(rng.choice(_SYNONYMS[word]) if word in _SYNONYMS and rng.random() < 0.4 else word for word in words)


def terse(rng: random.Random, text: str) -> str:
    """The text without most of the words that carry no meaning."""
    kept = [word for word in text.split(" ") if not _is_unstressed(word) or rng.random() < 0.25]
    return " ".join(kept) or text


def turned(rng: random.Random, text: str) -> str:
    """The text begun in its middle, before a word that carries no meaning: "of France, what is the capital"."""
    words = text.split(" ")
    places = [at for at in range(1, len(words)) if _is_unstressed(words[at])]
    if not places:
        return text
    at = rng.choice(places)
    return f"{' '.join(words[at:])}{rng.choice((',', '', ' -'))} {' '.join(words[:at])}"


def loosened(rng: random.Random, text: str) -> str:
    """The text with a filler put in, or a word lost, where no name is torn apart."""
    words = text.split(" ")
    places = [at for at, word in enumerate(words) if _is_unstressed(word)]
    if not places:
        return text
    at = rng.choice(places)
    if len(words) > 3 and rng.random() < 0.5:
        del words[at]
    else:
        words.insert(at, rng.choice(_FILLERS))
    return " ".join(words)


def typo(rng: random.Random, text: str) -> str:
    """The text with two letters swapped, or one lost or doubled, in one of its longer words."""
    words = list(_LONG_WORD.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return rng.choice((swapped, text[:at] + text[at + 1 :], text[: at + 1] + text[at:]))


def _aside(rng: random.Random) -> str:
    if rng.random() < 0.45:
        return f"{rng.choice(_PEOPLE)} {rng.choice(_SAID)}"
    return rng.choice(_STATEMENTS)


def cased(rng: random.Random, text: str) -> str:
    """The text as it is, capitalized, in lower case, or (seldom) shouted."""
    draw = rng.random()
    if draw < 0.4:
        return text[:1].upper() + text[1:]
    if draw < 0.75:
        return text.lower()
    return text.upper() if draw > 0.98 else text


def dressed(rng: random.Random, text: str, mark: str = "?") -> str:
    """The text as somebody might type it: with words around it, case, punctuation and small mistakes."""
    if rng.random() < 0.2:
        text = rng.choice(_OPENERS) + text
    if rng.random() < 0.08:
        text = _aside(rng) + rng.choice((". ", ", ", " - ", ": ", " and ", " so ", "! ", " but ")) + text
    if rng.random() < 0.14:
        text += rng.choice(_CLOSERS)
    elif rng.random() < 0.03:
        text += rng.choice((", ", ". ", "? ", " - ")) + _aside(rng)
    if rng.random() < 0.04:
        text = typo(rng, text)
    return cased(rng, text) + rng.choice((mark, mark, mark, "", "", "", ".", mark * 2, " " + mark, "!", "..."))


def reworded(rng: random.Random, question: str, is_literal: bool = False) -> str:
    """The question put differently; a literal one keeps its words."""
    text = framed(rng, question)
    if not is_literal and rng.random() < 0.3:
        text = with_synonyms(rng, text)
    draw = rng.random()
    if draw < 0.07:
        return terse(rng, text)
    if draw < 0.13:
        return turned(rng, text)
    return loosened(rng, text) if draw < 0.25 else text
