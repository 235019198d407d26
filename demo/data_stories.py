"""Parts that short stories are put together from. Pure data."""

HEROES: tuple[tuple[str, str], ...] = (
    # What it is, its emoji.
    ("cat", "🐱"), ("dog", "🐶"), ("dragon", "🐉"), ("robot", "🤖"), ("fox", "🦊"), ("mouse", "🐭"), ("bear", "🐻"), ("owl", "🦉"),
    ("rabbit", "🐰"), ("girl", "👧"), ("boy", "👦"), ("princess", "👸"), ("knight", "🗡️"), ("wizard", "🧙"), ("pirate", "🏴‍☠️"),
    ("sailor", "⛵"), ("baker", "🥖"), ("gardener", "🌻"), ("king", "👑"), ("queen", "👑"), ("penguin", "🐧"), ("turtle", "🐢"),
    ("horse", "🐴"), ("duck", "🦆"), ("elephant", "🐘"), ("lion", "🦁"), ("star", "⭐"), ("cloud", "☁️"), ("ghost", "👻"),
    ("astronaut", "🚀"), ("programmer", "💻"), ("unicorn", "🦄"), ("wolf", "🐺"), ("frog", "🐸"), ("bee", "🐝"),
)  # fmt: skip

NAMES: tuple[str, ...] = (
    "Mia", "Tom", "Lena", "Max", "Nora", "Oskar", "Ella", "Finn", "Ada", "Bruno", "Clara", "Emil", "Ida", "Jonas", "Luna", "Milo",
    "Pia", "Rosa", "Theo", "Zoë", "José", "Chloé", "Søren", "Yuki", "Amir", "Leila", "Otto", "Ruby", "Sam", "Tilda",
)  # fmt: skip

HOMES: tuple[str, ...] = (
    "in a small house by the sea", "at the edge of a deep forest", "in a tall tower", "on a green hill", "in a quiet village",
    "in the middle of a big city", "on a tiny island", "next to an old mill", "under a crooked bridge", "high up in the mountains",
    "behind the library", "beside a slow river", "in a town where it always rained", "near a garden full of roses",
)  # fmt: skip

TRAITS: tuple[str, ...] = (
    "little", "brave", "curious", "shy", "clever", "lonely", "old", "young", "kind", "sleepy", "cheerful", "quiet", "clumsy", "gentle",
)  # fmt: skip

WISHES: tuple[tuple[str, str], ...] = (
    # What the hero wants, how the story closes.
    ("to see the ocean", "and the ocean was even bigger than in every dream"),
    ("to find a true friend", "and from that day on there was always somebody to share a cake with"),
    ("to learn to fly", "and the whole village looked like a toy from above"),
    ("to touch the moon", "and the moon felt cool and smooth, like a stone in a stream"),
    ("to bake the best bread in the world", "and the smell of warm bread filled the street every morning"),
    ("to find a lost treasure", "and the treasure was an old book full of stories"),
    ("to hear the song of the whales", "and the song was so beautiful that nobody said a word"),
    ("to build a bridge across the river", "and people from both sides danced on it all night"),
    ("to sing in front of everyone", "and everyone clapped until their hands were red"),
    ("to find the end of the rainbow", "and at the end of it there was a field of flowers"),
    ("to bring back the light of the old lighthouse", "and ships found their way home again"),
    ("to write a letter to the stars", "and one night a star wrote back"),
    ("to plant a tree that reaches the clouds", "and children still climb it today"),
    ("to sleep for a whole day", "and it was the best sleep in the world"),
)

HELPERS: tuple[str, ...] = (
    "an old owl", "a talking fish", "a travelling musician", "a tiny mouse", "a friendly giant", "a grey cat", "a lost penguin",
    "a wise turtle", "a girl with a red coat", "a baker with flour on his nose", "a robot made of tin", "the north wind",
    "a firefly", "a kind old woman", "a crow with one white feather",
)  # fmt: skip

TROUBLES: tuple[str, ...] = (
    "a storm came up", "the path was gone", "night fell and the lamp went out", "a tall wall stood in the way", "the boat had a hole",
    "the bridge was broken", "it began to snow", "the map was blown away", "a door would not open", "nobody knew the way",
)  # fmt: skip

SAYINGS: tuple[str, ...] = (
    "Take one step, and then one more", "Do not be afraid of the dark", "You are stronger than you think", "Ask, and somebody will help",
    "Every long way begins at a door", "Look up, the stars know the way", "Try again, but slower this time", "Two can carry more than one",
)  # fmt: skip

MORALS: tuple[str, ...] = (
    "The end.", "And if you listen at night, you can still hear them laugh. The end.", "So never give up too early. The end.",
    "And that is how it was. The end.", "Since then nobody there is ever lonely. The end.",
)  # fmt: skip
