"""The checkpoint of the demo model, which `demo` trains and evaluates."""

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "checkpoint"
