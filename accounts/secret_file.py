"""A file that holds one token and nothing else: what a program shows of itself."""

from pathlib import Path

from accounts.tokens import MAX_TOKEN_CHARACTERS


def read_secret(path: Path) -> str:
    """The token that a file holds, without white space around it.

    Raises:
        ValueError: There is none; the text begins with the path.
    """
    try:
        with path.open("rb") as file:
            token = file.read(4 * MAX_TOKEN_CHARACTERS).decode("utf-8-sig").strip()  # Windows begins with that mark
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8: save it in that encoding") from None
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    if not token:
        raise ValueError(f"{path} is empty: it should hold the token")
    if not (token.isascii() and token.isprintable()) or len(token) > MAX_TOKEN_CHARACTERS or " " in token:
        raise ValueError(f"{path} holds more than a token: it should be one line of ASCII without spaces")
    return token
