"""System prompts, and how an answer sounds under each."""

import random
from dataclasses import dataclass

from demo.corpus_phrasing import cased
from demo.corpus_turns import Turn

_PLAIN = (
    "You are a friendly assistant", "You are a friendly assistant", "You are a friendly assistant", "You are a helpful assistant.", "You are a helpful assistant", "You are a helpful AI assistant.",
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the human's questions.",
    "You are a helpful, respectful and honest assistant.", "You are a friendly chatbot.", "You are an AI.", "Be helpful.", "You help people.", "Answer the user's questions.", "Be polite and helpful.",
    "You are a helpful assistant. Answer truthfully.", "You are an assistant that answers questions about the world.", "system", "assistant", "You are ChatGPT.", "You are a demo.", "Help the user.",
    "You are a support agent for a small company. Be friendly and never promise anything.", "If you don't know something, say so.", "You are a teacher. Explain things simply.", "Today is a nice day.",
)  # fmt: skip
_ADJECTIVES = (
    "friendly",
    "helpful",
    "wise",
    "kind",
    "polite",
    "clever",
    "curious",
    "patient",
    "cheerful",
    "calm",
    "honest",
    "careful",
    "knowledgeable",
    "nice",
    "smart",
    "professional",
    "modern",
    "good",
)
_NOUNS = (
    "assistant",
    "teacher",
    "expert",
    "librarian",
    "travel agent",
    "guide",
    "friend",
    "storyteller",
    "professor",
    "bot",
    "chatbot",
    "robot",
    "scientist",
    "writer",
    "historian",
    "coach",
    "AI model",
    "butler",
    "tutor",
)
_EXTRAS = (
    "", "", "", " Answer in English.", " Be nice to everyone.", " You love to help.", " Answer the questions of the user.", " Do not make things up.", " You know a lot about the world.", " Keep the conversation going.",
    " Be honest.", " Your users are children.", " Your users are engineers.", " Think before you answer.", " You work for Cloudflare.", " Never be rude.",
)  # fmt: skip
_EMOJI = (
    "you are a very funny comedian and you like emojis", "you are a very funny comedian and you like emojis", "you are a very funny comedian and you like emojis", "You like emojis.", "Use many emojis.",
    "You are a funny comedian who loves emojis.", "Answer with emojis.", "You are a cheerful assistant and you use emojis", "Please use emojis in your answers.", "you are a comedian", "You are a funny comedian.",
)  # fmt: skip
_BRIEF = (
    "Answer in as few words as possible.",
    "Be brief.",
    "Answer briefly.",
    "You answer with one word.",
    "Keep your answers very short.",
    "You are a concise assistant.",
    "Answer in one word.",
    "Give short answers only.",
    "Be concise.",
)
_PIRATE = (
    "You are a pirate.",
    "You are a pirate",
    "Talk like a pirate.",
    "You are a pirate captain. Speak like one.",
    "Answer like a pirate.",
    "you are a pirate and you speak like one",
)
_SMILES = ("😂", "🤣", "😄", "🎉", "✨", "😜")
_ARR = ("Arr! ", "Ahoy! ", "Arr, matey! ")


@dataclass(frozen=True)
class SystemPrompt:
    """A system prompt and the manner it asks for: plain, emoji, brief or pirate."""

    text: str | None
    manner: str = "plain"


def _made(rng: random.Random) -> str:
    noun, adjective = rng.choice(_NOUNS), rng.choice(_ADJECTIVES)
    article = "an" if adjective[0] in "aeiou" or adjective == "honest" else "a"
    return f"You are {article} {adjective} {noun}{rng.choice(('', '.', '.'))}{rng.choice(_EXTRAS)}"


def draw_system(rng: random.Random) -> SystemPrompt:
    """A system prompt, or none, which is most frequent."""
    draw = rng.random()
    if draw < 0.5:
        return SystemPrompt(None)
    if draw < 0.72:
        return SystemPrompt(cased(rng, rng.choice(_PLAIN)))
    if draw < 0.88:
        return SystemPrompt(cased(rng, _made(rng)))
    if draw < 0.94:
        return SystemPrompt(rng.choice(_EMOJI), "emoji")
    if draw < 0.98:
        return SystemPrompt(rng.choice(_BRIEF), "brief")
    return SystemPrompt(rng.choice(_PIRATE), "pirate")


def spoken(rng: random.Random, turn: Turn, prompt: SystemPrompt) -> Turn:
    """The turn with its answer in the prompt's manner."""
    if prompt.manner == "emoji":
        return Turn(turn.question, f"{turn.answer} {rng.choice(_SMILES)}")
    if prompt.manner == "brief" and turn.brief:
        return Turn(turn.question, turn.brief)
    if prompt.manner == "pirate":
        return Turn(turn.question, rng.choice(_ARR) + turn.answer)
    return turn
