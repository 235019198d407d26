"""JSON Schema's validator, with sizes before entries: a list that is too long is not read.

jsonschema reports all violations of all keywords, so it would look at each of 500,000 entries where 8 are allowed.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

# By keyword of the entries, the one that says how many there may be.
SIZES: Final = {
    "items": "maxItems",
    "properties": "maxProperties",
    "additionalProperties": "maxProperties",
    "propertyNames": "maxProperties",
    "pattern": "maxLength",
}


def _behind_its_size(keyword: str, size: str) -> Any:
    check = Draft202012Validator.VALIDATORS[keyword]

    def check_if_small(
        validator: Validator, wanted: Any, instance: Any, schema: Mapping[str, Any]
    ) -> Iterator[ValidationError]:
        is_sized = isinstance(instance, list | dict | str)
        if not is_sized or len(instance) <= schema.get(size, len(instance)):
            yield from check(validator, wanted, instance, schema) or ()

    return check_if_small


SchemaValidator: Final = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {keyword: _behind_its_size(keyword, size) for keyword, size in SIZES.items()}
)
