"""The five models as their publishers describe them: the sizes in their configs, and their tensors by name."""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from service.checkpoints.headers import Weight

_LLAMA_2: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "torch_dtype": "float16",
}
_GROUPED = {"intermediate_size": 14336, "num_key_value_heads": 8, "torch_dtype": "bfloat16"}
CONFIGS = {
    "@cf/meta/llama-2-7b-chat-fp16": _LLAMA_2,
    "@cf/meta/llama-2-7b-chat-int8": _LLAMA_2,
    "@cf/mistral/mistral-7b-instruct-v0.1": {**_LLAMA_2, **_GROUPED, "model_type": "mistral"},
    "@hf/thebloke/codellama-7b-instruct-awq": {**_LLAMA_2, "vocab_size": 32016},
    "@cf/meta/llama-3.1-8b-instruct": {**_LLAMA_2, **_GROUPED, "vocab_size": 128256},
}
_AWQ_GROUP_SIZE = 128


def published_weights(model_id: str, quantization: str) -> dict[str, Weight]:
    """The tensors of a model's checkpoint on the hub; AWQ's as TheBloke packs them."""
    config = dict(CONFIGS[model_id])
    dtype = {"float16": "F16", "bfloat16": "BF16"}[str(config.pop("torch_dtype"))]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    weights = {name: Weight(dtype, tuple(tensor.shape)) for name, tensor in model.state_dict().items()}
    return _packed(weights) if quantization == "awq" else weights


def _packed(weights: dict[str, Weight]) -> dict[str, Weight]:
    packed: dict[str, Weight] = {}
    for name, weight in weights.items():
        if len(weight.shape) != 2 or ".layers." not in name:
            packed[name] = weight
            continue
        num_out, num_in = weight.shape
        num_groups = num_in // _AWQ_GROUP_SIZE
        packed[name.replace("weight", "qweight")] = Weight("I32", (num_in, num_out // 8))
        packed[name.replace("weight", "qzeros")] = Weight("I32", (num_groups, num_out // 8))
        packed[name.replace("weight", "scales")] = Weight("F16", (num_groups, num_out))
    return packed
