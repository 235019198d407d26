"""A line that tells values by name."""

from logs.clipping import clipped


class Line:
    """A message that tells values by name: `event name='value' …` as text, one key for each in JSON.

    Args:
        event: What it is about, in a word.
        values: What is known. Texts are clipped, and quoted where they could forge lines; None is left out.
    """

    def __init__(self, event: str, **values: str | float | None) -> None:
        self.event = event
        self.values = {
            name: clipped(value) if isinstance(value, str) else value
            for name, value in values.items()
            if value is not None
        }

    def __str__(self) -> str:
        shown = (f"{value:.3f}" if isinstance(value, float) else repr(value) for value in self.values.values())
        return " ".join((self.event, *(f"{name}={text}" for name, text in zip(self.values, shown, strict=True))))
