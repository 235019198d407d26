"""Which LoRA adapter a request is answered with."""

from collections.abc import Sequence

from service.errors import InvalidRequestError, LoraUnsupportedError

MAX_NAME_CHARACTERS = 128


def check_lora(lora: str) -> None:
    """Checks what can be checked without a model.

    Raises:
        InvalidRequestError: The name is longer than any.
    """
    if len(lora) > MAX_NAME_CHARACTERS:
        message = f"lora has {len(lora)} characters; it may have 0 to {MAX_NAME_CHARACTERS}"
        raise InvalidRequestError(message, "lora")


def choose_adapter(lora: str, named: str, model_id: str, adapters: Sequence[str], stand_in: str) -> str:
    """The adapter that a request is answered with.

    Args:
        lora: What it asks for; empty for none.
        named: The adapter that its model's name stands for; empty for none.
        model_id: The model that it names.
        adapters: Those of the model that answers.
        stand_in: The model that stands in for the one named; empty if none does.

    Returns:
        Its name; empty for none.

    Raises:
        LoraUnsupportedError: One is asked for, and there is none.
        InvalidRequestError: The model has others, or is one itself.
    """
    if not lora:
        return named
    if stand_in or not adapters:
        why = f": {stand_in} stands in for it, without adapters" if stand_in else ""
        message = f"The model {model_id} does not support LoRa inference{why}"
        raise LoraUnsupportedError(message, "lora", model=model_id)
    if lora not in adapters:
        message = f"lora is none of the adapters of {model_id}; it has {', '.join(adapters)}"
        raise InvalidRequestError(message, "lora")
    if named not in ("", lora):
        message = f"lora is {lora}, and {model_id} is an adapter itself: name its base as the model, or leave lora out"
        raise InvalidRequestError(message, "lora")
    return lora
