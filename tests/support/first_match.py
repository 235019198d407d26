"""Stop sequences, searched in the whole text."""


def first_match(text: str, stops: list[str]) -> tuple[int, str | None]:
    """Where the text is to be cut and by which stop, found as simply as can be in the whole text."""
    matches = [(text.find(stop), len(stop), stop) for stop in stops if stop in text]
    begin, _, stop = min(matches, default=(len(text), 0, None))
    return begin, stop
