"""The forward of models that `fused_decoder` covers, as fast as `--accelerate` asks for."""

from collections.abc import Set

from transformers import PreTrainedModel

from service.engine.device import is_cpu
from service.engine.forward.class_forward import Forward
from service.engine.forward.compiled_layers import compile_layers
from service.engine.forward.fused_decoder import FusedDecoder, can_fuse
from service.engine.forward.native_decoder import native_decoder
from service.engine_protocol.acceleration import ATTENTIONS, Acceleration, AccelerationError

_NEED_FUSED = (Acceleration.LAYERS, Acceleration.GRAPHS)


def fused_forward(model: PreTrainedModel, accelerations: Set[Acceleration]) -> Forward | None:
    """A fused decoder, compiled if that is asked for; None for a model that only its class can run.

    Raises:
        AccelerationError: Something is asked for that only a fused decoder can do.
    """
    if can_fuse(model):
        decoder = FusedDecoder(model, has_native=Acceleration.GRAPHS not in accelerations)
        if Acceleration.LAYERS in accelerations:
            return compile_layers(decoder)
        is_native = is_cpu(model.device) and not accelerations & ATTENTIONS
        return (native_decoder(decoder, model.dtype) if is_native else None) or decoder
    if asked_for := [name for name in _NEED_FUSED if name in accelerations]:
        raise AccelerationError(
            f"--accelerate {','.join(asked_for)} does not work for a model of type {model.config.model_type} with "
            "these layers, which runs through its class in transformers: serve it without"
        )
    return None
