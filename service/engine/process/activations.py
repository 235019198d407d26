"""What came of rounding activations, for the log and for GetModel."""

import logging

from torch import nn

from service.engine.linears.codes import CodesLinear
from service.engine.linears.merged import QUANTIZED
from service.engine_protocol.choices import TrialOutcome, Tried
from service.engine_protocol.engine_config import EngineConfig

_log = logging.getLogger(__name__)


def tried_activations(model: nn.Module, config: EngineConfig) -> tuple[Tried, ...]:
    """In how many of a model's packed layers activations are rounded as its config asks; nothing if it does not ask.

    A warning tells if there are none.
    """
    asked = config.activation_dtype
    if asked == "auto":
        return ()
    packed = [module for module in model.modules() if isinstance(module, QUANTIZED)]
    num_rounded = sum(isinstance(module, CodesLinear) and module.has_int8_rows for module in packed)
    if num_rounded:
        told = f"in {num_rounded} of {len(packed)} layers of packed weights"
        _log.info("activations are rounded to %s %s", asked, told)
        return (Tried("activations", asked, TrialOutcome.USED, told),)
    told = _reason(model, num_packed=len(packed))
    _log.warning("activations are not rounded to %s: %s", asked, told)
    return (Tried("activations", asked, TrialOutcome.FAILED, told),)


def _reason(model: nn.Module, num_packed: int) -> str:
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    if not num_packed:
        return "no layer has weights of 4 or 8 bits"
    if dtype not in ("bfloat16", "float16"):
        return f"the model computes in {dtype}, which --dtype bfloat16 changes"
    return "there is no compiled product for its layers"
