"""The bundled demo model: its corpus, its trainer, its evaluation and its checkpoint."""

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "checkpoint"
