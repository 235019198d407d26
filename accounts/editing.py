"""Changes to a token file, which servers may be using at the same time."""

import contextlib
import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from accounts.token_file import TokenFileError, is_token, read_token_file
from accounts.tokens import MAX_TOKEN_CHARACTERS, Token, check_account, check_name, hash_token, read_line

# 256 bits; what goes around as a token is 43 characters.
_TOKEN_BYTES: Final = 32
_HEADING: Final = "# account sha256 [expires=… requests-per-minute=… tokens-per-minute=… concurrent-streams=…] name\n"


def make_token(account: str, name: str) -> tuple[str, Token]:
    """Makes a random token, with its line.

    Raises:
        ValueError: No line can hold the account or the name.
    """
    secret = secrets.token_urlsafe(_TOKEN_BYTES)
    return secret, line_of(secret, account, name)


def line_of(secret: str, account: str, name: str) -> Token:
    """The line of a token.

    Raises:
        ValueError: No line can hold the account or the name, or nobody can send the token.
    """
    if not 1 <= len(secret) <= MAX_TOKEN_CHARACTERS:
        raise ValueError(f"a token has 1 to {MAX_TOKEN_CHARACTERS} characters, and this has {len(secret)}")
    check_account(account)
    check_name(name)
    return Token(account, hash_token(secret), name)


def add_token(path: Path, token: Token) -> None:
    """Adds a line to a token file, which is made, for its owner only, if there is none.

    Raises:
        TokenFileError: The file can't be used, or the account has a token of this name.
    """
    with _locked(path) as path:
        if any((line.account, line.name) == (token.account, token.name) for line in _tokens_of(path)):
            raise TokenFileError(
                f"{path} has a token {token.name!r} of {token.account}: revoke it, or give another name"
            )
        before = path.read_text("utf-8-sig") if path.exists() else _HEADING
        line_break = "\n" if before and not before.endswith("\n") else ""
        _replace(path, f"{before}{line_break}{token}\n")


def revoke_tokens(path: Path, is_meant: Callable[[Token], bool]) -> list[Token]:
    """Takes lines out of a token file; comments and the other lines stay as they are.

    Returns:
        What was taken out.

    Raises:
        TokenFileError: The file can't be used.
    """
    with _locked(path) as path:
        meant = [token for token in read_token_file(path) if is_meant(token)]
        if meant:
            lines = path.read_text("utf-8-sig").splitlines()
            kept = [line for line in lines if not (is_token(line.strip()) and is_meant(read_line(line.strip())))]
            _replace(path, "".join(f"{line}\n" for line in kept))
    return meant


def _tokens_of(path: Path) -> tuple[Token, ...]:
    return read_token_file(path) if path.exists() else ()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """Keeps others away that change the file by these functions, and gives its path without links.

    The folder is locked, since the file is replaced.
    """
    path = path.resolve()
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise TokenFileError(f"{path} can't be written: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(folder)


def _replace(path: Path, text: str) -> None:
    """Puts a whole new file in the old one's place, so that nobody reads half of one."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        made = Path(name)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                if path.exists():
                    _keep_owner(handle, path.stat())
                file.write(text)
                file.flush()
                os.fsync(handle)
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)
    except OSError as error:
        raise TokenFileError(f"{path} can't be written: {error.strerror}") from None


def _keep_owner(handle: int, before: os.stat_result) -> None:
    os.fchmod(handle, stat.S_IMODE(before.st_mode))
    with contextlib.suppress(PermissionError):  # only root may give a file away
        os.fchown(handle, before.st_uid, before.st_gid)
