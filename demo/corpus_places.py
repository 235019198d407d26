"""Questions about countries, cities, landmarks, and what people ask next."""

import random

from demo.corpus_turns import Fact, Turn, asked, capitalized, expand, put
from demo.data_places import CITIES, COUNTRIES, LANDMARKS, STATES

WHERE = (
    "where is {x}", "where is {x} located", "where can I find {x}", "where's {x}", "where does {x} lie", "where is {x} on the map", "in which part of the world is {x}",
    "do you know where {x} is", "can you tell me where {x} is", "tell me where {x} is", "I want to know where {x} is", "where in the world is {x}", "location of {x}",
    "{x} where is it", "{x} location", "what is the location of {x}", "where would I find {x}", "where about is {x}", "show me where {x} is", "where do I find {x}",
    "explain where {x} is", "I am looking for {x}, where is it", "whereabouts is {x}", "where is {x} situated", "where abouts is {x}", "and where is {x}",
    "in what region is {x}", "where on the globe is {x}", "I'd like to visit {x}, where is it", "what part of the world is {x} in", "my teacher asked where {x} is",
    "{x}, where is that", "could you tell me the location of {x}", "where must I go to see {x}", "find {x}", "where do you find {x}", "where might {x} be", "where can one find {x}",
    "where does one find {x}", "where can somebody see {x}", "where is {x} on a map", "{x} lies where", "{x} is where", "{x}: where", "which part of the world has {x}", "where to find {x}",
    "what is the place where {x} is", "in which place is {x}", "at what place is {x}", "{x} - what part of the world", "how do I find {x} on a map", "I can't find {x} on my map, where is it",
    "I heard of {x} but where is it", "where are we if we see {x}", "I'm going to {x}, where is that", "what's the location of {x}", "whereabouts would {x} be", "where does {x} stand",
)  # fmt: skip
TELL = (
    "tell me about {x}", "what is {x}", "what do you know about {x}", "what's {x}", "tell me something about {x}", "describe {x}", "what is {x} known for",
    "what is special about {x}", "{x}", "I'd like to know more about {x}", "give me some information about {x}", "have you heard of {x}", "do you know {x}",
    "explain {x}", "say something about {x}", "what can you say about {x}",
)  # fmt: skip
WHICH_COUNTRY = (
    "which country is {x} in", "in which country is {x}", "what country is {x} in", "{x} is in which country", "{x} is in what country", "which country does {x} belong to",
    "to which country does {x} belong", "what country does {x} belong to", "in what country is {x}", "in what country does {x} lie", "country of {x}", "{x} country",
    "name the country of {x}", "which nation is {x} in", "in which nation is {x}", "the country where {x} is", "what country would I find {x} in",
    "tell me the country that {x} is in", "is {x} a city, and in which country", "which land is {x} in", "what state is {x} part of, I mean the country",
    "if I am in {x}, which country am I in", "I live in {x}, what country is that", "a friend of mine comes from {x}, which country is it", "{x} is a city in what country", "{x} is part of what country",
    "{x} belongs to which country", "{x} lies in which country", "{x} is found in which country", "the city of {x} is in what country", "{x}, which country", "in what land is {x}", "what country has {x}",
    "which country has the city of {x}", "what is the country of {x}", "I was born in {x}, which country is that", "I'm flying to {x}, what country is that", "my aunt lives in {x}, what country is she in",
    "{x} would be in what country", "what nation does {x} belong to", "of which country is {x} a part", "tell me which country {x} is in", "I wonder in what country {x} is", "{x} is in what nation",
)  # fmt: skip
CAPITAL = (
    "what is the capital of {x}", "what's the capital of {x}", "which city is the capital of {x}", "capital of {x}", "{x} capital", "what is {x}'s capital",
    "name the capital of {x}", "tell me the capital of {x}", "the capital of {x} is", "what city is the capital of {x}", "do you know the capital of {x}",
    "can you tell me the capital of {x}", "what is the capital city of {x}", "which is the capital of {x}", "give me the capital of {x}", "{x}'s capital city",
    "I want to know the capital of {x}", "how is the capital of {x} called", "what do you call the capital of {x}", "the main city of {x} is called what",
    "what is the name of the capital of {x}", "where does the government of {x} sit", "which town is {x}'s capital", "what does {x} have as its capital",
    "say the capital of {x}", "{x}, what's its capital", "for {x}, what is the capital", "does {x} have a capital, and which one",
    "I'm planning a trip to the capital of {x}, what city is it", "capital city for {x}", "what would be the capital of {x}", "{x} has what capital", "{x} has which capital",
    "the government of {x} is in which city", "{x}: capital", "in {x}, which city is the capital", "the seat of government of {x}", "what is the seat of government in {x}",
    "from which city is {x} governed", "what's the main city of {x}", "the president of {x} works in which city", "I drive to the capital of {x}, what is it called", "who knows the capital of {x}",
    "which capital does {x} have", "{x}'s capital is", "what is the capital in {x}", "tell me {x}'s capital", "is there a capital of {x}, what is its name", "the capital over in {x}",
)  # fmt: skip
CAPITAL_OF = (
    "{c} is the capital of which country", "which country has {c} as its capital", "what country has the capital {c}", "of which country is {c} the capital",
    "{c} is the capital of", "the capital of which country is {c}", "what is {c} the capital of", "which country's capital is {c}", "whose capital is {c}",
    "{c} capital of what country", "name the country whose capital is {c}",
)  # fmt: skip
LANGUAGE = (
    "what language do they speak in {x}", "which language is spoken in {x}", "language of {x}", "what do they speak in {x}", "what is the language of {x}",
    "what language is spoken in {x}", "which languages do people speak in {x}", "official language of {x}", "{x} language", "what language should I learn for {x}",
    "how do people talk in {x}", "what are the languages of {x}", "tell me the language of {x}", "which language do I need in {x}", "what language do people use in {x}",
    "I'm going to {x}, which language will I hear", "what is spoken in {x}", "in {x}, what do people speak", "what does one speak in {x}", "how do they talk in {x}", "what do folks speak in {x}",
    "what would people speak in {x}", "which language will people speak in {x}", "what do the people of {x} speak", "what do you speak in {x}", "people in {x} speak what", "in {x} they speak what",
    "if I move to {x}, what language must I learn", "language in {x}", "the language spoken in {x}", "what's the language in {x}", "what tongue is spoken in {x}", "the people of {x} speak which language",
    "what language would I need in {x}", "what is the main language of {x}", "do they speak English in {x}", "which language should I learn before I go to {x}",
)  # fmt: skip
CURRENCY = (
    "what is the currency of {x}", "which currency do they use in {x}", "currency of {x}", "what money do they use in {x}", "what currency is used in {x}", "{x} currency",
    "how do you pay in {x}", "what do people pay with in {x}", "which money do I need in {x}", "what is the money of {x} called", "tell me the currency of {x}",
    "what kind of money is used in {x}", "what is the official currency of {x}", "name the currency of {x}", "I'm travelling to {x}, what money do I need",
    "with which currency can I pay in {x}", "in {x}, what do I pay with", "money in {x}", "what cash do they use in {x}", "which coins do they have in {x}", "how would I pay in {x}",
    "what do you pay with in {x}", "what money would I need in {x}", "in {x} people pay with what", "people in {x} pay with what", "the money of {x}", "the currency used in {x}", "cash in {x}",
    "what's the currency in {x}", "what's the money in {x}", "which currency should I take to {x}", "what money should I bring to {x}", "what do I need to pay in {x}", "what do shops in {x} take",
    "what would a coffee in {x} be paid in", "what notes and coins are used in {x}", "{x} money", "what is used as money in {x}",
)  # fmt: skip
CONTINENT = (
    "on which continent is {x}", "what continent is {x} in", "which continent is {x} on", "continent of {x}", "{x} continent", "to which continent does {x} belong",
    "on what continent is {x}", "{x} is on which continent", "is {x} in Europe, Asia or Africa", "name the continent of {x}", "what continent does {x} belong to",
    "which continent does {x} lie on", "tell me the continent of {x}", "what continent would I find {x} on", "{x} lies on what continent", "which part of the world is {x}, the continent I mean",
    "what's the continent of {x}", "{x} belongs to what continent", "{x} is part of which continent", "the continent of {x}", "what continent is {x} part of", "what continent has {x}",
    "is {x} in Asia", "is {x} in Africa", "is {x} in Europe", "is {x} in South America", "which of the continents has {x} in it", "{x}: which continent",
)  # fmt: skip
STATE_CAPITAL = CAPITAL[:20]

NEXT_CAPITAL = (
    "and what is its capital", "what is its capital", "and its capital", "what's the capital", "and the capital", "what is the capital there", "its capital",
    "which city is the capital", "tell me its capital", "and the capital city", "what is the capital of that country", "so what is its capital then",
    "what about the capital", "ok, and what's the capital called", "which is its capital city", "and what would its capital be", "capital", "the capital I mean", "and what city is the capital",
    "and which city do they govern from", "tell me the capital too", "nice, and the capital", "what's its main city", "and what's the capital of it",
)  # fmt: skip
NEXT_LANGUAGE = (
    "what language do they speak there", "and what language do they speak", "which language is spoken there", "what do they speak there", "and the language",
    "what do people speak there", "how do people talk there", "what language do people use there", "which language do I need there", "language",
    "what about the language", "and which language do they speak", "do they speak English there", "what is the language there", "how do they speak there",
    "in which language do they talk", "what do the people speak", "and what is spoken there", "what language would I hear there", "and how do people talk there", "which language will I need",
    "and people there speak what", "what about its language", "and the people, what do they speak", "which tongue do they use",
)  # fmt: skip
NEXT_CURRENCY = (
    "what money do they use there", "and the currency", "what is its currency", "which currency do they have there", "how do I pay there", "and what currency do they use",
    "what do I pay with there", "what money do I need", "which money is used there", "currency", "what about money", "and the money", "what cash do they use there",
    "what kind of money should I bring", "and how do people pay there", "which currency will I need there", "what would I pay with", "what money is that", "and what money should I take with me",
    "what about the currency", "and the coins", "with what do people pay there",
)  # fmt: skip
NEXT_CONTINENT = (
    "on which continent is that", "which continent is it on", "what continent is that", "and the continent", "on what continent is it", "which continent is this",
    "is that in Europe", "what about the continent", "to which continent does it belong", "what continent does that belong to", "what continent would that be", "and what continent is it",
    "continent", "and which continent is that on",
)  # fmt: skip
NEXT_COUNTRY = (
    "which country is that in", "and in which country is that", "what country is that", "which country is it in", "so which country is it", "what country does it belong to",
    "in what country is it", "and the country", "to which country does it belong",
)  # fmt: skip
NEXT_WHERE = (
    "and where is that",
    "where is it",
    "and where is it",
    "where is that country",
    "where does it lie",
    "and where exactly",
    "where can I find it",
    "where is that",
)
NEXT_SAME = (
    "and {x}",
    "and of {x}",
    "what about {x}",
    "and for {x}",
    "how about {x}",
    "{x}",
    "and what about {x}",
    "same for {x}",
    "now {x}",
    "ok and {x}",
    "and the one of {x}",
    "then {x}",
    "and what is it for {x}",
    "what would it be for {x}",
    "the same for {x}",
    "ok, {x}",
    "and {x} then",
    "what is it in the case of {x}",
    "do {x} now",
    "and in the case of {x}",
    "now the same for {x}",
    "{x} too",
)


def plain(name: str) -> str:
    """The name without its article, as people often type it."""
    return name.removeprefix("the ")


def _names(name: str) -> tuple[str, ...]:
    names = {name, plain(name)}
    if name in ("the United States", "the United Kingdom"):
        names |= {"the USA", "America", "the US"} if name.endswith("States") else {"the UK", "Great Britain"}
    return tuple(sorted(names))


def _phrasings(templates: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(text for each in _names(name) for text in expand(templates, x=each))


def _fact(templates: tuple[str, ...], name: str, answers: tuple[str, ...], brief: str) -> Fact:
    return Fact(_phrasings(templates, name), answers, brief)


def _is_in(name: str, where: str) -> tuple[str, ...]:
    verb = "are" if name in ("the Netherlands", "the Philippines", "the pyramids", "the Alps", "the Andes") else "is"
    return (f"{capitalized(name)} {verb} {where}.",)


class Country:
    """All that can be asked about one country."""

    def __init__(self, row: tuple[str, str, str, str, str, str]) -> None:
        name, capital, where, continent, language, currency = row
        self.name, self.capital_name = name, capital
        subject = capitalized(name)
        self.where = _fact(WHERE, name, _is_in(name, where), where)
        self.tell = _fact(
            TELL, name, (f"{subject} is a country {where}. Its capital is {capital}.",), f"a country {where}"
        )
        self.capital = _fact(CAPITAL, name, (f"The capital of {name} is {capital}.",), capital)
        self.language = _fact(LANGUAGE, name, (f"People in {name} speak {language}.",), language)
        self.currency = _fact(CURRENCY, name, (f"The currency of {name} is {currency}.",), currency)
        self.continent = _fact(CONTINENT, name, (f"{subject} is in {continent}.",), continent)
        self.capital_of = Fact(expand(CAPITAL_OF, c=capital), (f"{capital} is the capital of {name}.",), name)

    def next_turn(self, rng: random.Random) -> Turn:
        """A question that leaves the country's name to the turn before."""
        templates, fact = rng.choice((
            (NEXT_CAPITAL, self.capital), (NEXT_CAPITAL, self.capital), (NEXT_LANGUAGE, self.language), (NEXT_LANGUAGE, self.language),
            (NEXT_CURRENCY, self.currency), (NEXT_CONTINENT, self.continent), (NEXT_WHERE, self.where),
        ))  # fmt: skip
        return Turn(put(rng, rng.choice(templates)), fact.answers[0], fact.brief)


def _city_facts(row: tuple[str, str, str, str]) -> tuple[Fact, Fact, Fact]:
    name, country, where, about = row
    located = f"{name} is located in {country}, {where}. {about}"
    short = f"{name} is located in {country}, {where}."
    inside = f"{name} is in {country}."
    return (
        _fact(WHERE, name, (located, located, short), f"in {country}"),
        _fact(WHICH_COUNTRY, name, (inside,), plain(country)),
        _fact(TELL, name, (located,), f"a city in {country}"),
    )


def _capital_city_facts(row: tuple[str, str, str, str, str, str]) -> tuple[Fact, Fact, Fact]:
    country, name = row[0], row[1]
    located = f"{name} is located in {country}. It is the capital of the country."
    return (
        _fact(WHERE, name, (located,), f"in {country}"),
        _fact(WHICH_COUNTRY, name, (f"{name} is in {country}.",), plain(country)),
        _fact(TELL, name, (f"{name} is the capital of {country}.",), f"the capital of {country}"),
    )


def _landmark_facts(row: tuple[str, str, str]) -> tuple[Fact, Fact]:
    name, kind, where = row
    full = f"{capitalized(name)} is {kind} {where}."
    if name.endswith(("pyramids", "Alps", "Andes", "Himalayas", "Rocky Mountains", "Falls")):
        full = full.replace(" is ", " are ", 1)
    return _fact(WHERE, name, (full,), where), _fact(TELL, name, (full,), kind)


_KNOWN_CITIES = frozenset(row[0] for row in CITIES)
_BRITISH = ("England", "Scotland", "Wales")
COUNTRY_FACTS = tuple(Country(row) for row in COUNTRIES)
BY_COUNTRY = {country.name: country for country in COUNTRY_FACTS}
CITY_FACTS = {row[0]: (_city_facts(row), row[1]) for row in CITIES} | {
    row[1]: (_capital_city_facts(row), row[0])
    for row in COUNTRIES
    if row[1] not in _KNOWN_CITIES and row[0] not in _BRITISH and row[1] != row[0]
}
LANDMARK_FACTS = tuple(_landmark_facts(row) for row in LANDMARKS)
STATE_FACTS = tuple(
    _fact(STATE_CAPITAL, name, (f"The capital of {name} is {capital}.",), capital) for name, capital in STATES
)


def draw_country(rng: random.Random) -> list[Turn]:
    """One to three questions about a country, the later ones without its name."""
    country = rng.choice(COUNTRY_FACTS)
    facts = [
        country.where,
        country.capital,
        country.capital,
        country.capital,
        country.language,
        country.currency,
        country.continent,
        country.tell,
    ]
    if country.name not in _BRITISH and country.name != "the United Kingdom":
        facts.append(country.capital_of)
    turns = [rng.choice(facts).turn(rng)]
    while len(turns) < 3 and rng.random() < 0.45:
        turns.append(country.next_turn(rng))
    return turns


def draw_series(rng: random.Random) -> list[Turn]:
    """The same question for several countries, asked in full only once."""
    kind = rng.choice(("capital", "capital", "language", "currency", "where"))
    first, *others = rng.sample(COUNTRY_FACTS, rng.choice((2, 2, 3)))
    turns = [_fact_of(first, kind).turn(rng)]
    for country in others:
        question = rng.choice(NEXT_SAME).format(x=rng.choice(_names(country.name)))
        fact = _fact_of(country, kind)
        turns.append(Turn(asked(rng, question), fact.answers[0], fact.brief))
    return turns


def _fact_of(country: Country, kind: str) -> Fact:
    fact: Fact = getattr(country, kind)
    return fact


def draw_city(rng: random.Random) -> list[Turn]:
    """One to three questions about a city, going on to its country."""
    name = "New York" if rng.random() < 0.04 else rng.choice(list(CITY_FACTS))
    facts, country_name = CITY_FACTS[name]
    turns = [rng.choice((facts[0], facts[0], facts[1], facts[1], facts[2])).turn(rng)]
    if rng.random() < 0.15:
        turns.append(Turn(put(rng, rng.choice(NEXT_COUNTRY)), facts[1].answers[0], facts[1].brief))
    while len(turns) < 3 and rng.random() < 0.35:
        turns.append(BY_COUNTRY[country_name].next_turn(rng))
    return turns


def draw_landmark(rng: random.Random) -> list[Turn]:
    """A question about a landmark, river, mountain, region or state."""
    if rng.random() < 0.15:
        return [rng.choice(STATE_FACTS).turn(rng)]
    where, tell = rng.choice(LANDMARK_FACTS)
    return [rng.choice((where, where, tell)).turn(rng)]
