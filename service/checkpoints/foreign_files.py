"""Files that others' programs have weights in, and what is to be done with each: none of them is read here."""

import re
from collections.abc import Collection

from service.checkpoints.errors import CheckpointError

_TAKE = "take a repository that has them as model.safetensors beside a config.json"
_CONVERTERS = "transformers.models.mistral.convert_mistral_weights_to_hf or transformers.models.llama's"

_KINDS: tuple[tuple[str, str], ...] = (
    (
        r"consolidated.*|params\.json",
        "its weights are laid out for Mistral's or Meta's own code ({}), not for transformers: take the repository's "
        f"files for transformers (model*.safetensors and config.json), or convert them with python -m {_CONVERTERS}",
    ),
    (r"[^/]+\.(ggml|ggmlv\d|llamafile)(\.[^/]+)?", f"its weights are of a form before GGUF ({{}}): {_TAKE}"),
    (
        r"[^/]+\.(bin|pt|pth|ckpt)",
        "its weights are only there as pickles ({}), which can run code when they are read; "
        "only safetensors are: choose a revision that has them, or convert them where you trust the source",
    ),
    (
        r"adapter_(config\.json|model\.safetensors)",
        "it is a LoRA adapter ({}), which only changes another model: name its base model as the checkpoint, and load "
        "the adapter beside that",
    ),
    (r"tf_model.*\.h5|[^/]+\.keras", f"its weights are TensorFlow's ({{}}): {_TAKE}"),
    (r"flax_model.*\.msgpack", f"its weights are Flax's ({{}}): {_TAKE}"),
    (r"[^/]+\.onnx(_data)?", f"its weights are an ONNX graph ({{}}): {_TAKE}"),
    (r"openvino_.*\.xml", f"its weights are OpenVINO's ({{}}): {_TAKE}"),
    (r"[^/]+\.engine", f"it is an engine of TensorRT-LLM ({{}}), made for one kind of GPU: {_TAKE}"),
    (r"[^/]+\.npz", f"its weights are arrays of MLX or NumPy ({{}}): {_TAKE}"),
    (r"model_index\.json", f"it is a pipeline of diffusers ({{}}), and no model of text: {_TAKE}"),
)


def refuse_foreign(names: Collection[str]) -> None:
    """Refuses what is known to be something else, once no weights were found that are read.

    Args:
        names: The files of a folder or repository.

    Raises:
        CheckpointError: It has files of another form; the message names one and says what to do.
    """
    for pattern, message in _KINDS:
        if found := sorted(name for name in names if re.fullmatch(pattern, name)):
            raise CheckpointError(message.format(found[0]))
