"""A conversation and what can be told to it besides: `/model`, `/system`, `/save`, `/clear`, `/help`."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

HELP: Final = """\
/model         tells the model and which there are; /model ID asks another from now on
/system        tells the system prompt; /system TEXT sets it, /system - drops it
/save FILE     writes the conversation: JSON if FILE ends with .json, else Markdown
/thinking      tells what the model thought before its last answer
/clear         forgets what was said
/help          this
Ctrl-C stops an answer, Ctrl-D leaves; Alt-Enter begins a new line; a text that begins with / is typed with //"""


class Conversation:
    """What was said, to whom.

    Args:
        model: Who answers.
        system: What it is told first; empty for nothing.

    Attributes:
        thinking: What the model thought before its last answer; empty for nothing.
    """

    def __init__(self, model: str, system: str = "") -> None:
        self.model = model
        self.system = system
        self.thinking = ""
        self._turns: list[dict[str, str]] = []

    @property
    def messages(self) -> list[dict[str, str]]:
        """The messages, oldest first."""
        first = [{"role": "system", "content": self.system}] if self.system else []
        return [*first, *self._turns]

    def ask(self, text: str) -> None:
        """Adds what the user says."""
        self._turns.append({"role": "user", "content": text})

    def end_turn(self, answer: str) -> None:
        """Adds what was answered, also in part; where nothing was, the question is taken back."""
        if answer:
            self._turns.append({"role": "assistant", "content": answer})
        else:
            self._turns.pop()

    def clear(self) -> None:
        """Forgets what was said, and keeps the system prompt."""
        self._turns.clear()
        self.thinking = ""

    def save(self, path: Path) -> None:
        """Writes it to a file of its own, which only this user may read.

        Raises:
            OSError: The file is there already, or can't be written.
        """
        said = self.messages
        if path.suffix == ".json":
            text = json.dumps({"model": self.model, "messages": said}, ensure_ascii=False, indent=2) + "\n"
        else:
            text = "\n".join(f"## {message['role']}\n\n{message['content']}\n" for message in said)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)


class ChatCommands:
    """What a line that begins with "/" does; each tells what to show."""

    def __init__(self, conversation: Conversation, list_models: Callable[[], Sequence[str]]) -> None:
        self._conversation = conversation
        self._list_models = list_models
        self._commands: dict[str, Callable[[str], str]] = {
            "/model": self._model,
            "/system": self._system,
            "/save": self._save,
            "/thinking": lambda _: conversation.thinking or "it did not think",
            "/clear": self._clear,
            "/help": lambda _: HELP,
        }

    def __call__(self, line: str) -> str:
        """Does what a line says; what to show then."""
        name, _, argument = line.strip().partition(" ")
        command = self._commands.get(name)
        if command is None:
            return f"there is no {name}: /help lists what there is, and // begins a text with /"
        return command(argument.strip())

    def _model(self, model: str) -> str:
        conversation, known = self._conversation, self._list_models()
        if not model:
            return "\n".join(f"{'*' if known_one == conversation.model else ' '} {known_one}" for known_one in known)
        if model not in known:
            return f"there is no model {model}: /model lists them"
        conversation.model = model
        return f"{model} answers from now on"

    def _system(self, text: str) -> str:
        conversation = self._conversation
        if not text:
            return conversation.system or "there is no system prompt: /system TEXT sets one"
        conversation.system = "" if text == "-" else text
        return "the system prompt is set" if conversation.system else "the system prompt is dropped"

    def _save(self, name: str) -> str:
        if not name:
            return "/save needs the name of a file"
        if not self._conversation.messages:
            return "nothing was said yet"
        try:
            self._conversation.save(Path(name).expanduser())
        except FileExistsError:
            return f"{name} is there already: give another name"
        except (OSError, ValueError, RuntimeError) as error:
            return f"{name} can't be written: {getattr(error, 'strerror', '') or error}"
        return f"saved to {name}"

    def _clear(self, _: str) -> str:
        self._conversation.clear()
        return "forgotten"
