"""What a checkpoint's files say beside its tokenizer: which tokens end a turn, and its chat templates."""

import json
from pathlib import Path


def eos_token_ids_of(checkpoint: Path) -> set[int]:
    """All that the checkpoint's configs name: Llama 3.1 has three, of which its tokenizer knows one."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        path = checkpoint / name
        named = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.is_file() else None
        found.update([named] if isinstance(named, int) else named or [])
    return found


def templates_of(chat_template: str | dict[str, str] | None) -> list[str]:
    """A checkpoint's chat templates: none, one, or several by their names."""
    return list(chat_template.values()) if isinstance(chat_template, dict) else [chat_template] if chat_template else []
