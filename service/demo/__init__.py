"""The checkpoint of the demo model.

The folder demo/ has its corpus, its trainer and its evaluation, which nothing here imports.
"""

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "checkpoint"
