"""The matrices of a model, as its config tells of them before anything is loaded."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Matrix(NamedTuple):
    """A matrix that a step multiplies by.

    Attributes:
        outputs, inputs: Its size.
        num_layers: How many of such the model has.
        has_every_row: Whether all rows of a step are multiplied by it; by the head only those that sample.
    """

    outputs: int
    inputs: int
    num_layers: int
    has_every_row: bool = True


def matrices_of(config: Mapping[str, Any]) -> list[Matrix]:
    """A decoder's matrices, those of one input as one, and the head; none if the config tells too little.

    Args:
        config: Its config.json.
    """
    sizes = config.get("text_config", config)
    try:
        width, num_heads, num_layers = (
            int(sizes[name]) for name in ("hidden_size", "num_attention_heads", "num_hidden_layers")
        )
        head_size = int(sizes.get("head_dim") or width // num_heads)
        num_kv_heads = int(sizes.get("num_key_value_heads") or num_heads)
        inner, vocab_size = int(sizes["intermediate_size"]), int(sizes["vocab_size"])
    except (LookupError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        return []
    made = [
        Matrix((num_heads + 2 * num_kv_heads) * head_size, width, num_layers),
        Matrix(width, num_heads * head_size, num_layers),
        Matrix(2 * inner, width, num_layers),
        Matrix(width, inner, num_layers),
        Matrix(vocab_size, width, 1, has_every_row=False),
    ]
    return made if all(min(matrix[:3]) > 0 for matrix in made) else []


def num_layers_of(config: Mapping[str, Any]) -> int:
    """A decoder's number of layers; 0 if its config.json does not tell."""
    told = config.get("text_config", config)
    number = told.get("num_hidden_layers") if isinstance(told, Mapping) else None
    return number if isinstance(number, int) and number > 0 else 0


def num_weights(matrices: Iterable[Matrix]) -> int:
    """The number of weights in all of them."""
    return sum(matrix.outputs * matrix.inputs * matrix.num_layers for matrix in matrices)
