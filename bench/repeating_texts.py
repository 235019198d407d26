"""What a model is asked whose answers repeat their prompts, and what it is asked whose answers don't."""

from typing import Final

_FILE = '''import json
from pathlib import Path

class Store:
    """Keeps records in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = {}

    def load(self) -> None:
        if self.path.exists():
            self.records = json.loads(self.path.read_text())

    def save(self) -> None:
        self.path.write_text(json.dumps(self.records))

    def add(self, name: str, value: int) -> None:
        self.records[name] = value
        self.save()

    def remove(self, name: str) -> None:
        del self.records[name]
        self.save()

    def total(self) -> int:
        return sum(self.records.values())
'''

_JSON = """[{"id": 1, "name": "Anna Schmidt", "city": "Berlin", "orders": [12, 19]},
{"id": 2, "name": "Joao Silva", "city": "Lisbon", "orders": []},
{"id": 3, "name": "Mary Jones", "city": "London", "orders": [7]},
{"id": 4, "name": "Ken Sato", "city": "Osaka", "orders": [3, 4, 5]}]"""

_ARTICLE = (
    "A lighthouse is a tower that carries a lamp and lenses, and serves as a beacon for pilots at sea. It marks coasts "
    "that are dangerous, shoals, reefs, rocks and the entries of harbours. Once there were many of them, but since "
    "electronic navigation is better and costs less, the number of those that are in use has become smaller. The lamp "
    "burned wood, later oil, then gas, and most are electric now. A Fresnel lens gathers its light into a beam with "
    "much less glass than a plain lens would take."
)

ASKED: Final = {
    "a file with a new name in it": f"Rename the class Store to RecordStore and write out the whole file:\n\n{_FILE}",
    "JSON, repeated": f"Repeat this JSON:\n\n{_JSON}",
    "a story": "Write a story about a lighthouse keeper who finds a strange letter in a bottle.",
    "an explanation": "Explain how a refrigerator works to a child.",
    "a summary": f"Summarize this text in a few sentences, using its own words:\n\n{_ARTICLE}",
    "a list": "List twenty animals with one fact about each.",
}
"""What is asked, by what the answer is."""

REPEATING: Final = ("a file with a new name in it", "JSON, repeated")
