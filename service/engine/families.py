"""Model types of transformers that the engine does more for than to run their class: one row for each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """The ways to run models of one type besides their class.

    Attributes:
        is_fused: `FusedDecoder` can run them.
        is_sharded: Several devices can share one, since the tests compare its shards with the whole model. No check at
            load could: no device has the whole one.
        has_window_in_config: Each layer reads its sliding window from the config, and keeps none of its own.
    """

    is_fused: bool = False
    is_sharded: bool = False
    has_window_in_config: bool = False


FAMILIES = {
    "gemma2": Family(is_sharded=True),
    "gemma3_text": Family(is_sharded=True),
    "llama": Family(is_fused=True, is_sharded=True),
    "mistral": Family(is_fused=True, is_sharded=True, has_window_in_config=True),
    "phi3": Family(is_fused=True, is_sharded=True, has_window_in_config=True),
    "qwen2": Family(is_fused=True, is_sharded=True),
    "qwen3": Family(is_fused=True, is_sharded=True),
}

_OTHER = Family()


def family_of(model_type: str) -> Family:
    """The row of a model type; one without a row runs through its class, on one device."""
    return FAMILIES.get(model_type, _OTHER)
