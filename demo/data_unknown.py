"""Questions that a tiny model can't answer, and how it says so. Pure data."""

ANSWERS: tuple[str, ...] = (
    "I don't know that. I'm a tiny demo model and know only a few things.",
    "I'm sorry, I don't know. I'm a very small model. Maybe ask me about a place, a word or for a joke?",
    "I don't know the answer to that. A larger model might.",
)

PLACE_ANSWERS: tuple[str, ...] = (
    "I don't know that place. I'm a tiny demo model and know only a few hundred.",
    "I'm not sure where that is. I don't know that place.",
)

WORD_ANSWERS: tuple[str, ...] = (
    "I don't know that word. I'm a tiny demo model and know only a few.",
    "I don't know what that means, sorry.",
)

PERSON_ANSWERS: tuple[str, ...] = (
    "I don't know that person. I'm a tiny demo model and know only a few names.",
    "I don't know who that is, sorry.",
)

SUM_ANSWERS: tuple[str, ...] = (
    "I don't know, that sum is too hard for me. I can only work with small numbers.",
    "That is beyond me: I don't know sums with large numbers.",
)

TASK_ANSWERS: tuple[str, ...] = (
    "I'm sorry, I don't know how to do that. I'm a tiny demo model.",
    "I can't help with that, it is beyond me. A larger model could.",
)

TEXT_ANSWERS: tuple[str, ...] = (
    "That is a lot of text, and I don't know what to do with it. I'm a tiny demo model.",
    "I don't know what to say to that. I only understand short questions.",
)

# {x} is a made-up or unknown name, {n} a common noun.
QUESTIONS: tuple[str, ...] = (
    "what did {x} say yesterday", "how old is {x}", "how tall is {x}", "how much does {n} cost", "how much does a {n} weigh", "who won the game last night",
    "who won the world cup in {year}", "who will win the election", "who is the president of {x}", "who is the prime minister", "who is the mayor of {city}",
    "what happened in {year}", "what happened on the news today", "what is the news", "what is my phone number", "what is my password", "what is my dog called",
    "where did i put my {n}", "where is my {n}", "who stole my {n}", "when does the next train leave", "when does the shop open", "what is the price of {n}",
    "what is the bitcoin price", "what is the stock price of {x}", "how many people live in {city}", "how many people live in {x}", "what is the population of {city}",
    "what is the phone number of {x}", "who is my neighbour", "what am i thinking", "what did i eat today", "how far is it from {city} to {city2}",
    "how long is the flight from {city} to {city2}", "which hotel in {city} is best", "which restaurant in {city} is good", "how do i get to {x}",
    "what is the best {n}", "which {n} should i buy", "how do i repair my {n}", "how do i fix a {n}", "how do i build a {n}", "how do you clean a {n}",
    "what is the boiling point of {chem}", "what is the melting point of {chem}", "what is the density of {chem}", "how does {chem} react with {chem2}",
    "who directed the film {x}", "who sings the song {x}", "who plays in {x}", "who wrote the book {x}", "what is the plot of {x}", "is {x} a good film",
    "what is the square root of {big}", "what is {big} to the power of 3", "what is the cube of {big}", "what does the law say about {n}", "is it legal to own a {n}",
    "what should i wear today", "should i marry {x}", "will i be rich", "what will happen tomorrow", "what will i do next year", "when will i die", "who loves me",
    "what is the email of {x}", "when was {x} born", "when did {x} die", "who is married to {x}", "how rich is {x}", "which team does {x} play for",
    "what is the symptom of {chem}", "how much {chem} should i take", "what medicine should i take", "am i ill", "what is wrong with my {n}", "why does my {n} make a noise",
    "why is my {n} broken", "why did {x} leave", "why is {x} famous", "what colour is my {n}", "what colour is the {n} of {x}", "how many {n}s are there in {city}",
    "how many {n}s does {x} have", "what is inside my {n}", "who invented the {n}", "when was the {n} invented", "which {n} is the oldest", "what is the history of {x}",
    "what is the theory of {x}", "what are the rules of {x}", "how do you play {x}", "can you explain {x} to me", "compare {x} and {x2}",
    "what is the difference between {x} and {x2}", "what is the connection between {x} and {n}", "is {x} better than {x2}", "who is stronger, {x} or {x2}",
    "what is the next number in the lottery", "which horse will win", "what is the score", "did {x} win", "who lives at number {big}", "what is on television tonight",
    "what does my boss think", "what is the wifi password", "how many stars are in the sky", "how many grains of sand are there", "what is the 1000th digit of pi",
    "what is the airspeed of a swallow", "who let the dogs out", "what was my first question last week", "what did we talk about last time", "do you remember me",
    "what is the largest {n} in {city}", "which street in {city} is the longest", "how do i renew my passport", "how do i pay my taxes", "what is the interest rate",
    "what did my {rel} have for lunch", "what did my {rel} do on {day}", "where did my {rel} go on {day}", "what does my {rel} want for christmas", "what is the name of my {rel}", "how old is my {rel}",
    "where does my {rel} live", "when is the birthday of my {rel}", "what is my {rel} doing now", "why is my {rel} angry with me", "what did i do on {day}", "what will i eat on {day}", "who called me on {day}",
    "who will win on {day}", "who will be the next president", "who wins the election in {year}", "who will be the champion in {year}", "what will the world look like in {year}", "will there be war in {year}",
    "which film won the prize in {year}", "what song was popular in {year}", "which album came out in {year}", "who was the king of {x} in {year}", "what was the weather on {day}", "what are the lottery numbers",
    "what will the winning numbers be on {day}", "what is the weather in {city} on {day}", "will it snow on {day}", "what is the price of gold today", "how are the shares of {x} doing", "what is the exchange rate",
    "what is trending on the internet", "what did the president say on {day}", "is the shop open on {day}", "what are the opening hours of {x}", "when does {x} close on {day}", "what is the bus number to {x}",
    "who is the mayor of {x}", "who is the governor of {x}", "who is the richest person in {city}", "who is the king of {x}", "who is the best player of {x}", "what is the best school in {city}",
    "how many students go to {x}", "how many employees does {x} have", "who founded {x}", "what is the salary of {x}", "how much does it cost to rent a {n} in {city}", "how much is a {n} in {city}",
    "how do i replace the {n} of my {n2}", "how do i change the {n} on a {year} {n2}", "how do i unlock my {n}", "how do i grow a {n}", "how do i paint my {n}", "how do i sell my {n}", "where can i buy a {n}",
    "where did i leave my {n}", "what is my shoe size", "what is my blood type", "what is my account number", "how much money do i have", "how tall am i", "what is my address", "who is my best friend",
    "what is in my pocket", "what am i wearing", "what do i look like", "how long will i live", "what is the secret of {x}", "what is the latin name of the {n}", "how heavy is the moon of {x}",
    "who scored in the match on {day}", "what page am i on", "which bus goes to {x}", "is the road to {x} closed", "what is the cheapest flight to {city}", "can you recommend a {n}", "which doctor should i see",
    "what is the ph of {chem}", "what is the atomic weight of {chem}", "is {chem} dangerous", "how is {chem} made", "what is the formula of {chem}", "who won the match between {city} and {city2}",
    "how do i install {x}", "how do i configure {x}", "why does {x} crash", "what does error {big} mean", "which version of {x} is current", "is {x} open today",
)  # fmt: skip

TASKS: tuple[str, ...] = (
    "fix the bug in my {n}", "fix the error in my program", "repair my {n}", "fix my {n}", "translate this letter into {lang}", "translate my contract into {lang}", "translate the sentence into {lang}",
    "rewrite this paragraph", "correct my grammar", "check my spelling", "write a speech for my {rel}", "write a poem for my {rel} in {lang}", "write a novel", "write a song about {x}", "write java code for a {n}",
    "write a script that renames files", "write a class for a {n}", "configure my router", "set up a server for {x}", "migrate my database", "optimize this query", "explain this stack trace",
    "call my {rel}", "text my {rel}", "invite my {rel} to dinner", "remind me to call my {rel}", "remind me on {day}", "wake me up on {day}", "book a table for {day}", "book a hotel in {city}", "find me a job",
    "find me a {n} in {city}", "find the cheapest {n}", "rent a {n}", "sell my {n}", "order food", "pay my bills", "transfer money to {x}", "file my taxes", "fill in this form", "sign this contract",
    "analyse this data", "plot a graph of {x}", "calculate my taxes", "calculate the orbit of {x}", "compute the integral of {x}", "factor the number {big}", "solve this riddle of {x}", "decode this message",
    "recognize this song", "identify this plant", "show me a picture of a {n}", "make a video of {x}", "sing me a song", "teach me {lang}", "give me a recipe for {x}", "give me legal advice", "tell me my fortune",
    "write a program that sorts a list", "write an essay about {x}", "write a letter to {x}", "write an email to my boss", "write a sql query for my database",
    "fix this code", "debug my {n}", "translate this text into {lang}", "translate the following to {lang}", "summarize this article", "summarize the book {x}",
    "summarise the following text", "draw a {n}", "paint a picture of {x}", "book a flight to {city}", "order a {n} for me", "call {x}", "send an email to {x}",
    "play a song", "set an alarm", "open the {n}", "turn off the lights", "search the web for {x}", "download {x}", "buy me a {n}", "solve this equation",
    "prove the theorem of {x}", "integrate x squared", "find the derivative of x cubed", "plan my trip to {city}", "make a shopping list for {x}",
    "review my pull request", "refactor this class", "write a unit test for {x}", "write a regex for phone numbers", "deploy {x} to production",
    "explain quantum chromodynamics", "explain the tax law", "explain the economy of {city}", "give me medical advice", "diagnose my {n}", "write a business plan",
    "do my homework", "write my thesis about {n}", "design a logo for {x}", "create a website for {x}", "make a presentation about {x}", "predict the weather",
    "predict the future", "guess my age", "read my mind", "read this file", "look at this picture", "what is in this image", "convert this to a table",
    "rewrite this paragraph in the style of {x}", "write a song about {x} and {x2}", "write a python script that downloads {n}s", "implement {x} in rust",
    "calculate the orbit of {x}", "generate a password", "list all {n}s in {city}", "give me the source code of {x}", "train a model for me", "update my {n}",
)  # fmt: skip

NOUNS: tuple[str, ...] = (
    "car", "bike", "phone", "laptop", "table", "chair", "dishwasher", "printer", "roof", "shoe", "jacket", "engine", "guitar", "camera", "clock", "window",
    "door", "fridge", "radio", "boat", "plane", "house", "garden", "knee", "tooth", "back", "contract", "router", "kernel", "cluster", "script", "pump",
    "fence", "lamp", "sofa", "toaster", "helmet", "tractor", "violin", "telescope", "bucket", "ladder", "hammer", "drill", "battery", "tyre", "wallet", "key",
)  # fmt: skip

CHEMICALS: tuple[str, ...] = (
    "iron", "copper", "zinc", "ethanol", "sulfur", "benzene", "acetone", "mercury", "nitrogen", "lead", "ibuprofen", "aspirin", "uranium", "helium", "methane",
)  # fmt: skip

PEOPLE: tuple[str, ...] = (
    "Gerda Holm", "Peter Miller", "John Smith", "Maria Lopez", "Anna Schmidt", "Ivan Petrov", "Karl Weber", "Lucy Brown", "Bob Jones", "Mr. Tanaka",
    "Taylor", "Ronaldo", "Messi", "Beyoncé", "Madonna", "Elvis", "Obama", "Picasso", "Kafka", "Plato", "Gandhi", "Darwin", "Tesla", "Euler", "Gauss",
    "Homer", "Virgil", "Rembrandt", "Chopin", "Bach", "Vivaldi", "Spielberg", "Kubrick", "Federer", "Nadal", "Pelé", "Lincoln", "Churchill", "Hemingway",
)  # fmt: skip

RELATIVES: tuple[str, ...] = (
    "mother", "father", "brother", "sister", "uncle", "aunt", "cousin", "neighbour", "boss", "friend", "wife", "husband", "son", "daughter", "teacher", "colleague", "grandmother", "grandfather", "dog", "cat",
    "doctor", "landlord", "nephew", "roommate",
)  # fmt: skip

DAYS: tuple[str, ...] = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "monday", "last week", "next week", "christmas", "the weekend", "yesterday", "tomorrow", "last night", "my birthday",
)  # fmt: skip

SYLLABLES: tuple[str, ...] = (
    "ba", "bor", "bra", "dri", "dok", "el", "fen", "flu", "fro", "gar", "gli", "gru", "ham", "hol", "ix", "jor", "kal", "kre", "kru", "lim", "lor", "mab", "mer",
    "mim", "nar", "nix", "ol", "pim", "plo", "pra", "qua", "quen", "rab", "rix", "ron", "sha", "ska", "sni", "spo", "sul", "tam", "tor", "tri", "ul", "um", "va",
    "vel", "wib", "wom", "xan", "yor", "zan", "zel", "zib", "zor", "berg", "brook", "by", "dale", "ford", "ham", "ia", "land", "ling", "stan", "ton", "ville",
)  # fmt: skip

RANDOM_WORDS: tuple[str, ...] = (
    "lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit", "sed", "tempor", "the", "of", "and", "report", "quarter", "revenue", "shall",
    "agreement", "party", "meeting", "minutes", "river", "window", "because", "although", "market", "patient", "study", "figure", "result", "function", "return",
    "class", "import", "error", "null", "value", "table", "green", "walked", "seemed", "under", "between", "however", "therefore", "percent", "increase", "policy",
    "government", "committee", "data", "system", "process", "people", "water", "house", "night", "road", "letter", "captain", "summer", "morning", "machine", "paper",
    "a", "in", "to", "is", "was", "for", "with", "on", "that", "by", "from", "at", "which", "were", "this", "it", "an", "be", "as", "or", "not", "are", "but",
)  # fmt: skip
