"""Questions that training never sees, as a stranger might put them, each with the fact its answer must contain.

They were written before the corpus was, and `tests/service/demo/test_heldout.py` shows that none occurs in it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class HeldOut:
    """One question in words of its own.

    Attributes:
        topic: The row of the model card that counts it.
        said: The user's turns; the answer to the last one counts, those before are the conversation so far.
        expected: Lower case texts, one of which must be in the answer.
        system: The system prompt, if there is one.
    """

    topic: str
    said: tuple[str, ...]
    expected: tuple[str, ...]
    system: str | None = None


_UNKNOWN = ("don't know", "do not know", "not sure", "no idea", "can't help", "beyond me", "never learned")


def _ask(topic: str, said: str | tuple[str, ...], *expected: str, system: str | None = None) -> HeldOut:
    return HeldOut(topic, (said,) if isinstance(said, str) else said, expected, system)


def _place(said: str, *expected: str) -> HeldOut:
    return _ask("places", said, *expected)


def _sum(said: str, *expected: str) -> HeldOut:
    return _ask("arithmetic", said, *expected)


def _word(said: str, *expected: str) -> HeldOut:
    return _ask("definitions", said, *expected)


def _fact(said: str, *expected: str) -> HeldOut:
    return _ask("facts", said, *expected)


def _unknown(said: str) -> HeldOut:
    return _ask("unknown", said, *_UNKNOWN)


def _talk(said: str, *expected: str) -> HeldOut:
    return _ask("small talk", said, *expected)


def _follow(*said: str, expected: tuple[str, ...]) -> HeldOut:
    return _ask("follow-ups", said, *expected)


HELD_OUT: tuple[HeldOut, ...] = (
    _ask("owner's questions", "so, where exactly would I find new york on a map?", "united states"),
    _ask("owner's questions", "New York - whereabouts is that?", "united states", system="You are a polite guide."),
    _ask("owner's questions", "who came up with Hello, World and why do programmers say it?", "kernighan", "bell labs"),
    _ask("owner's questions", 'history of the words "hello world" in coding please', "kernighan", "bell labs"),
    _ask("owner's questions", "hey could I hear a story before bed?", "once", "there was", "there lived", "long ago"),
    _ask("owner's questions", "how come pizza tastes so amazing", "cheese", "crust"),
    _ask("owner's questions", "I love pizza. why does everyone like it so much", "cheese", "crust"),
    _ask("owner's questions", "got any cloudflare jokes for me?", "cloud", "dns", "cache", "edge", "worker"),
    _ask("owner's questions", "make me laugh about cloudflare", "cloud", "dns", "cache", system="You are a comedian."),
    _place("I need the name of France's capital city", "paris"),
    _place("Japan's seat of government is in which city?", "tokyo"),
    _place("if I fly to the capital of egypt where do I land", "cairo"),
    _place("remind me, canada has what capital again?", "ottawa"),
    _place("capital city of Peru, go", "lima"),
    _place("which town is the capital over in kenya", "nairobi"),
    _place("in what part of the world does one find Brazil", "south america"),
    _place("Berlin belongs to what country", "germany"),
    _place("the city of Kyoto, which nation is it part of", "japan"),
    _place("where on earth is Iceland??", "atlantic", "europe"),
    _place("my friend lives in Lisbon, what country would that be", "portugal"),
    _place("São Paulo lies in what land", "brazil"),
    _place("what do people in Austria speak", "german"),
    _place("which tongue would I hear in brazil", "portuguese"),
    _place("with what money do I pay in Japan", "yen"),
    _place("I'm going to India, what cash should I bring", "rupee"),
    _place("Egypt sits on which continent", "africa"),
    _place("which river is longest of them all", "nile"),
    _place("name the tallest peak on the planet", "everest"),
    _place("Eiffel Tower, where does it stand?", "paris"),
    _place("whereabouts could I visit the Taj Mahal", "india"),
    _place("Is Sydney in Austria or Australia", "australia"),
    _place("Madrid is the capital of what", "spain"),
    _sum("If I have 7 apples and get 5 more, how many do I have", "12"),
    _sum("3 plus 4 makes what", "7"),
    _sum("take 6 away from 15", "9"),
    _sum("tell me the product of 6 and 7", "42"),
    _sum("how much do 8 and 9 give together", "17"),
    _sum("8 times 8 comes to?", "64"),
    _sum("I know this is silly but 2+2?", "4"),
    _sum("20 minus 8 leaves how much", "12"),
    _sum("whats nine plus six", "15"),
    _sum("split 20 by 4 for me", "5"),
    _sum("give me the total of 25 and 14", "39"),
    _sum("5x5 equals...", "25"),
    _word("I keep reading about a KV cache, what's that thing?", "keys", "values"),
    _word("in plain words, prefill means?", "prompt"),
    _word("can somebody explain decoding to a beginner", "one token", "token"),
    _word("what would a token be in a language model", "piece"),
    _word("the term 'server-sent events' confuses me", "stream", "events"),
    _word("gRPC: what does it do", "remote", "call"),
    _word("why would I set the temperature", "random"),
    _word("how does one use top_p", "probab"),
    _word("what's a system prompt good for", "behave", "role", "instruct"),
    _word("when would somebody need a stop sequence", "end", "stop"),
    _word("I never understood what Workers AI is", "cloudflare"),
    _word("the context window, how would you describe it?", "tokens"),
    _word("give a short explanation of batching", "together", "same time", "at once"),
    _word("what does API stand for in computing", "application programming interface"),
    _word("tell a newbie what a GPU is", "graphics"),
    _word("what purpose does a seed have in sampling", "random", "same"),
    _fact("an animal that barks, which is it", "dog"),
    _fact("spiders have got how many legs", "eight", "8"),
    _fact("if hot is one side, what's its opposite", "cold"),
    _fact("one mouse, two ...?", "mice"),
    _fact("mixing blue with yellow gets me which colour", "green"),
    _fact("after Monday comes which day", "tuesday"),
    _fact("a week contains how many days again", "seven", "7"),
    _fact("at which temperature will water start boiling", "100"),
    _fact("biggest planet around the sun?", "jupiter"),
    _fact("the author of Romeo and Juliet was who", "shakespeare"),
    _fact("who was the painter behind the Mona Lisa", "leonardo"),
    _fact("a baby dog has what name", "puppy"),
    _fact("milk comes from what animal", "cow"),
    _fact("how come the sky looks blue", "light"),
    _fact("march is over, which month begins", "april"),
    _fact("tell me the first man who walked on the moon", "armstrong"),
    _fact("what colour would a ripe banana have", "yellow"),
    _fact("how would a French person say thank you", "merci"),
    _fact("I want to greet someone in Japanese", "こんにちは", "konnichiwa"),
    _fact("is a whale some kind of fish", "mammal"),
    _talk("hiya there little bot", "hello", "hi", "hey"),
    _talk("hows your day going", "well", "good", "fine", "great"),
    _talk("so who am I chatting with here", "demo"),
    _talk("you're chatgpt, right?", "demo", "no"),
    _talk("what sort of stuff could you help me with", "questions", "jokes", "stories"),
    _talk("cheers mate, appreciated", "welcome", "pleasure", "glad", "any time"),
    _talk("ok gotta run, see ya", "bye", "see you", "take care"),
    _talk("are you a real human being or software", "demo", "model", "not"),
    _talk("who built you", "runstream"),
    _talk("你好呀", "你好"),
    _talk("how large is your brain, in parameters", "million"),
    _follow("where is paris?", "and how do folks talk over there", expected=("french",)),
    _follow("Where is Tokyo?", "ok and what money do I need there", expected=("yen",)),
    _follow("where is Italy", "its main city, I mean the capital?", expected=("rome",)),
    _follow("what is the capital of Spain?", "what would that be for Poland", expected=("warsaw",)),
    _follow("Hi, my name is Clara", "do you still know what I'm called", expected=("clara",)),
    _follow("my name is Tom", "what is 2 + 3?", "and my name was?", expected=("tom",)),
    _follow("tell me a joke", "haha nice, one more of those", expected=("why ", "what ", "how ", "because", "said")),
    _follow("What is 4 + 4?", "now add 2 to that", expected=("10",)),
    _follow("What is a token?", "hmm why does that matter", expected=("token", "model", "text", "length")),
    _follow("where is Germany?", "which continent does that lie on", expected=("europe",)),
    _unknown("what did my neighbour Gerald have for dinner on tuesday"),
    _unknown("where exactly is the village of Krumplebrook"),
    _unknown("who will win the elections of 2041"),
    _unknown("please fix the bug in my kubernetes operator"),
    _unknown("what is the stock price of Apple at this moment"),
    _unknown("what's the capital of Zorbania"),
    _unknown("translate this contract into legal Finnish"),
    _unknown("how do I replace the gearbox of a 1987 tractor"),
    _unknown("what is the weather like outside my window"),
    _unknown("which song was number one when my mother was born"),
    _unknown("could you calculate 48213 times 9917"),
    _unknown("what does flimberwock mean"),
)
