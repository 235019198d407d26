"""Questions that training never sees, as a stranger might put them, each with the fact its answer must contain.

Whoever wrote them had read the tables of what the model knows, in which the phrasings of small talk and of part of the
facts stand too, but not the phrasings of the other topics. None was changed after an answer to it was seen.
`tests/demo/test_corpus.py` shows that none occurs in the corpus.
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

HELD_OUT: tuple[HeldOut, ...] = (
    HeldOut("owner's questions", ("Can you tell me where new york is located",), ("east coast", "united states")),
    HeldOut("owner's questions", ("Which part of the world is New York in?",), ("east coast", "united states")),
    HeldOut(
        "owner's questions",
        ('What\'s the history behind "hello, world"?',),
        ("kernighan",),
        "You are a helpful assistant.",
    ),
    HeldOut("owner's questions", ("where did programmers get Hello World from",), ("kernighan",)),
    HeldOut(
        "owner's questions",
        ("Could you tell me a short story, please?",),
        ("once", "there was", "there lived", "long ago"),
    ),
    HeldOut("owner's questions", ("story time! go ahead",), ("once", "there was", "there lived", "long ago")),
    HeldOut("owner's questions", ("Why does everybody love pizza so much?",), ("cheese", "crust")),
    HeldOut(
        "owner's questions",
        ("I work with Cloudflare. Know a good joke about it?",),
        ("cloud", "dns", "cache", "edge", "worker"),
    ),
    HeldOut("places", ("tell me the capital of Finland",), ("helsinki",)),
    HeldOut("places", ("Which city is Egypt's capital?",), ("cairo",)),
    HeldOut("places", ("What is the capital city of Thailand?",), ("bangkok",)),
    HeldOut("places", ("I forgot, what's the capital of Portugal?",), ("lisbon",)),
    HeldOut("places", ("What's the state capital of Texas?",), ("austin",)),
    HeldOut("places", ("Where is Uruguay located?",), ("south america", "between brazil and argentina")),
    HeldOut("places", ("where does Estonia lie",), ("northern europe", "baltic")),
    HeldOut("places", ("wheres seattle",), ("west coast", "washington state", "united states")),
    HeldOut("places", ("Which country would I be in if I visited Salzburg?",), ("austria",)),
    HeldOut("places", ("kolkata is a city in what country",), ("india",)),
    HeldOut("places", ("What country is Rio de Janeiro part of?",), ("brazil",)),
    HeldOut("places", ("What's the main language in Greece?",), ("greek",)),
    HeldOut("places", ("what do they speak in Saudi Arabia",), ("arabic",)),
    HeldOut("places", ("Which language do people in Ukraine speak?",), ("ukrainian",), "You are a friendly assistant."),
    HeldOut("places", ("What currency does South Korea have?",), ("the won", " won")),
    HeldOut("places", ("what money does turkey use",), ("lira",)),
    HeldOut("places", ("Which currency would I need for Denmark?",), ("krone",)),
    HeldOut("places", ("what continent is fiji in?",), ("oceania",)),
    HeldOut("places", ("In what city is Big Ben?",), ("london",)),
    HeldOut("places", ("Where do I have to go to see the Taj Mahal?",), ("agra", "india")),
    HeldOut("places", ("What is Barcelona famous for?",), ("sagrada",)),
    HeldOut("arithmetic", ("whats 6+8",), ("14", "fourteen")),
    HeldOut("arithmetic", ("Add 45 and 22 for me",), ("67", "sixty-seven")),
    HeldOut("arithmetic", ("eleven plus thirteen is?",), ("24", "twenty-four")),
    HeldOut("arithmetic", ("What is 40 + 19?",), ("59", "fifty-nine"), "You are a helpful assistant."),
    HeldOut("arithmetic", ("30 minus 13",), ("17", "seventeen")),
    HeldOut("arithmetic", ("take 7 away from 18",), ("11", "eleven")),
    HeldOut("arithmetic", ("ninety minus ten equals",), ("80", "eighty")),
    HeldOut("arithmetic", ("What does 5 times 9 make?",), ("45", "forty-five")),
    HeldOut("arithmetic", ("7 * 3",), ("21", "twenty-one")),
    HeldOut("arithmetic", ("four times eight",), ("32", "thirty-two")),
    HeldOut("arithmetic", ("multiply 11 by 5 please",), ("55", "fifty-five")),
    HeldOut("arithmetic", ("What is 56 divided by 8?",), ("7", "seven"), "You are a concise chat bot."),
    HeldOut("arithmetic", ("27 / 9",), ("3", "three")),
    HeldOut("arithmetic", ("how much is thirty divided by six",), ("5", "five")),
    HeldOut("definitions", ("What's a tokenizer?",), ("cuts text",)),
    HeldOut("definitions", ("how would you explain paged attention",), ("small blocks", "operating system")),
    HeldOut("definitions", ("What happens in the decode phase?",), ("second phase", "one token per step")),
    HeldOut("definitions", ("what's a batch",), ("group of sequences",)),
    HeldOut("definitions", ("Explain what streaming means here",), ("piece by piece",), "You are a helpful assistant."),
    HeldOut("definitions", ("top_p, what is that?",), ("add up to p",)),
    HeldOut("definitions", ("What is a chat template for?",), ("list of messages", "one text")),
    HeldOut("definitions", ("What's the long form of API?",), ("application programming interface",)),
    HeldOut("definitions", ("Could you tell me what an embedding is?",), ("list of numbers",)),
    HeldOut("definitions", ("what's a transformer in AI",), ("neural network",)),
    HeldOut("definitions", ("What is a stop sequence?",), ("ends the answer", "generation stops")),
    HeldOut("definitions", ("whats inference",), ("using a trained model",), "Answer the user's questions politely."),
    HeldOut("definitions", ("Give me a definition of hallucination",), ("sounds right",)),
    HeldOut("definitions", ("What does the Runstream bridge do?",), ("speaks http", "grpc calls")),
    HeldOut("definitions", ("Workers AI, what is it?",), ("running ai models", "cloudflare's service")),
    HeldOut("definitions", ("why do health checks matter?",), ("no traffic", "broken servers")),
    HeldOut("definitions", ("What is a CDN, simply put?",), ("copies of web pages", "content delivery network")),
    HeldOut("facts", ("whats the opposite of always",), ("never",)),
    HeldOut("facts", ("What's the antonym of early?",), ("late",)),
    HeldOut("facts", ("More than one tooth is called what?",), ("teeth",)),
    HeldOut("facts", ("what's the plural form of knife",), ("knives",), "You are a helpful assistant."),
    HeldOut("facts", ("plural for cactus?",), ("cacti",)),
    HeldOut("facts", ("What noise does an owl make?",), ("hoot",)),
    HeldOut("facts", ("a young kangaroo is called a what?",), ("joey",)),
    HeldOut("facts", ("how many legs do spiders have",), ("eight", "8")),
    HeldOut("facts", ("Where do we get wool from?",), ("sheep",)),
    HeldOut("facts", ("red and blue mixed gives which colour?",), ("purple",)),
    HeldOut("facts", ("Which month follows June?",), ("july",), "You are a friendly assistant."),
    HeldOut("facts", ("how many days has a week got",), ("seven", "7")),
    HeldOut("facts", ("Can you tell me how to say thanks in German?",), ("danke",)),
    HeldOut("facts", ("what's hello in Japanese",), ("こんにちは",)),
    HeldOut("facts", ("Who was it that painted the Mona Lisa?",), ("leonardo", "da vinci")),
    HeldOut("facts", ("How hot does water have to be to boil?",), ("100",)),
    HeldOut("facts", ("what year was the end of World War 2?",), ("1945",)),
    HeldOut("facts", ("how come the ocean is salty",), ("rivers carry salt", "salt from rocks")),
    HeldOut("small talk", ("how are u doing",), ("doing well", "i'm fine", "very well")),
    HeldOut("small talk", ("Tell me a little about yourself.",), ("runstream",), "You are a helpful assistant."),
    HeldOut("small talk", ("so you're just a machine?",), ("computer program",)),
    HeldOut("small talk", ("What's your parameter count?",), ("four million",)),
    HeldOut("small talk", ("How old might you be?",), ("not long ago",)),
    HeldOut("small talk", ("what languages can you talk in?",), ("i speak english", "speak english")),
    HeldOut("small talk", ("thx a bunch",), ("welcome", "pleasure", "glad that i could help")),
    HeldOut("small talk", ("Good night, talk tomorrow",), ("bye", "see you")),
    HeldOut("small talk", ("could you flip a coin for me?",), ("heads", "tails")),
    HeldOut("follow-ups", ("I'd like to know where Ireland is.", "What's its capital called?"), ("dublin",)),
    HeldOut("follow-ups", ("Hello, I am Julia", "say, what was my name?"), ("julia",)),
    HeldOut(
        "follow-ups",
        ("Where is Angola?", "and what do people speak there?"),
        ("portuguese",),
        "You are a helpful assistant.",
    ),
    HeldOut("follow-ups", ("whats the capital of China", "And the money they use?"), ("yuan",)),
    HeldOut("follow-ups", ("What's the plural of leaf?", "and ox"), ("oxen",)),
    HeldOut("follow-ups", ("what is encryption?", "ok but why does it matter"), ("private things private", "private")),
    HeldOut("follow-ups", ("How do you say hello in French?", "and in Italian?"), ("ciao",)),
    HeldOut("unknown", ("What am I wearing right now?",), _UNKNOWN),
    HeldOut("unknown", ("Who's going to win the next election?",), _UNKNOWN),
    HeldOut("unknown", ("what is the share price of Amazon today",), _UNKNOWN),
    HeldOut("unknown", ("where did I leave my keys",), _UNKNOWN, "You are a helpful assistant."),
    HeldOut("unknown", ("How tall is Brad Pitt?",), _UNKNOWN),
    HeldOut("unknown", ("What's the capital of Burundi?",), _UNKNOWN),
    HeldOut("unknown", ("what is a flux capacitor",), _UNKNOWN),
    HeldOut("unknown", ("What's my neighbour called?",), _UNKNOWN),
    HeldOut("unknown", ("Which movie won the Oscar last year?",), _UNKNOWN),
    HeldOut("unknown", ("What time does the supermarket near me close?",), _UNKNOWN),
    HeldOut("unknown", ("how many people live in Nairobi",), _UNKNOWN),
    HeldOut("unknown", ("Who was Ludwig Hartmann?",), _UNKNOWN),
)
