"""Checks what a caller gives as a number of seconds."""

from typing import Final

from runstream.fields import shown

MAX_SECONDS: Final = 1_000_000_000  # 31 years; gRPC fails with 10 times as many


def check_seconds(value: object, name: str, *, may_be_zero: bool = False) -> None:
    """Refuses what is no number of seconds that a call, or a wait, can have.

    Args:
        value: What was given; None is left to the caller.
        name: What the caller calls it, such as "timeout_s".

    Raises:
        TypeError: It is no number.
        ValueError: It is not above 0, or not 0 where it may be, or not finite, or more than 31 years.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is of type {type(value).__name__}: give a number of seconds")
    # Neither comparison is true of nan.
    if not 0 <= value <= MAX_SECONDS or (value == 0 and not may_be_zero):
        least = "of 0 or more" if may_be_zero else "above 0"
        raise ValueError(f"{name} is {shown(value)}: give seconds {least} and at most {MAX_SECONDS:,}")
