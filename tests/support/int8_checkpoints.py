"""Tiny checkpoints with weights of 8 bits, as optimum-quanto makes them."""

from pathlib import Path

from optimum.quanto import freeze, qint8, quantize
from transformers import PreTrainedModel

from tests.support.checkpoints import tiny_model


def save_int8(folder: Path) -> PreTrainedModel:
    """Saves a plain checkpoint and returns what optimum-quanto makes of it."""
    model = tiny_model()
    model.save_pretrained(folder)
    quantize(model, weights=qint8, exclude="lm_head")
    freeze(model)
    return model.train(mode=False)
