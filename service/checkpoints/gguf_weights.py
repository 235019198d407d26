"""Which weights of transformers' classes the tensors of a GGUF file are, and which of them stay packed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import GgufFile, GgufTensor
from service.checkpoints.gguf_config import architecture_of

PACKED_BITS = {"Q8_0": 8, "Q4_0": 4, "Q4_1": 4}
"""The kinds that have a packed form here, in groups of `GROUP_SIZE`, and the bits of their codes."""

GROUP_SIZE = 32

_WHOLE = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_OF_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_qkv": "self_attn.qkv_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OF_GEMMA = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_OTHERWISE = {"gemma2": _OF_GEMMA, "gemma3": _OF_GEMMA, "phi3": {"ffn_up": "mlp.gate_up_proj"}}

_IN_CONFIG = re.compile(r"rope_freqs|rope_factors_(long|short)|blk\.\d+\.attn_rot_embd")
"""Tensors of which the config is made, or that follow from it."""

_NAME = re.compile(r"(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)")


@dataclass(frozen=True, slots=True)
class GgufWeight:
    """A weight of a class.

    Attributes:
        name: Its name in the class.
        tensor: Where it is.
        has_pairs: Whether its rows are in the order of Llama's own code: of each head the two of a pair side by side,
            which transformers has in halves.
        is_more_by_one: Whether a norm's weight is stored with the 1 that the class adds.
    """

    name: str
    tensor: GgufTensor
    has_pairs: bool
    is_more_by_one: bool

    @property
    def is_packed(self) -> bool:
        """Whether it stays in codes: matrices of layers in a kind that has a packed form."""
        return self.tensor.kind.name in PACKED_BITS and ".layers." in self.name and len(self.tensor.shape) == 2


def gguf_weights(file: GgufFile) -> Mapping[str, GgufWeight]:
    """The weights of a file's model by their names in transformers' class.

    Raises:
        CheckpointError: There is one that nobody knows.
    """
    architecture = architecture_of(file)
    of_layer = _OF_LAYER | _OTHERWISE.get(architecture, {})
    weights: dict[str, GgufWeight] = {}
    for tensor in file.tensors.values():
        match = _NAME.fullmatch(tensor.name)
        if _IN_CONFIG.match(tensor.name):
            continue
        layer, part, leaf = match.groups() if match else (None, "", "")
        module = _WHOLE.get(part) if layer is None else of_layer.get(part)
        if module is None:
            raise CheckpointError(
                f"the GGUF file {file.path} has {tensor.name}, which models of architecture {architecture} don't have"
            )
        name = f"{module}.{leaf}" if layer is None else f"model.layers.{layer}.{module}.{leaf}"
        has_pairs = architecture == "llama" and part in ("attn_q", "attn_k")
        weights[name] = GgufWeight(name, tensor, has_pairs, part.endswith("norm") and architecture.startswith("gemma"))
    return weights
