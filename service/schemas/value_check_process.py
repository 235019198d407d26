"""The process in which finished values are checked: schemas and patterns can be made so that this takes for ever.

Each line of its input is a JSON array of a schema and a value, both as JSON in a text. A null for the value only
compiles the schema. It answers each with a line of JSON: a text that says what is wrong, empty if nothing. Its argument
is how many seconds of the processor a line may take; it ends with the first that takes more.
"""

import functools
import json
import math
import resource
import signal
import sys
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

_MAX_MEMORY_BYTES = 2 << 30
_MAX_PATH_CHARACTERS = 200


def main() -> None:
    """Answers lines."""
    max_cpu_s = float(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # macOS knows the limit and does not keep it
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_VIRTUAL, max_cpu_s)  # its signal ends the process
        schema, value = json.loads(line)
        print(json.dumps(_find_error(schema, value)), flush=True)


def _find_error(schema: str, value: str | None) -> str:
    try:
        validator = _compiled(schema)
    except (ValidationError, ValueError) as error:
        place = f" at {_cut(_pointer(error.instance_path))!r}" if isinstance(error, ValidationError) else ""
        return f"it is no JSON Schema: {_cut(getattr(error, 'message', str(error)))}{place}"
    if value is None:
        return ""
    try:
        instance = json.loads(value, parse_float=_finite, parse_constant=_finite)
        validator.validate(_whole(instance) if "\\u" in value else instance)
    except ValidationError as error:
        return f"the answer breaks {error.kind.name!r} at {_cut(_pointer(error.instance_path))!r}"
    except (RecursionError, ValueError) as error:
        return f"the answer can't be read: {_cut(str(error))}"
    return ""


@functools.lru_cache(64)
def _compiled(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), validate_formats=True, offline=True)


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"{literal} is not a finite number")
    return number


def _whole(value: Any) -> Any:
    """A value whose half surrogates, which JSON can write and no encoding can, are U+FFFD."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_whole(key): _whole(item) for key, item in value.items()}
        case list():
            return [_whole(item) for item in value]
        case _:
            return value


def _pointer(path: list[str | int]) -> str:
    return "/" + "/".join(map(str, path))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_PATH_CHARACTERS else f"{text[:_MAX_PATH_CHARACTERS]}..."


if __name__ == "__main__":
    main()
