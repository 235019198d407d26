"""oneDNN's matrix product, by the operation that PyTorch's own compiler uses."""

import torch

from service.engine.device import is_cpu


def can_use_onednn(tensor: torch.Tensor) -> bool:
    """Whether it multiplies by such a matrix, and is quicker than `linear`, which is MKL there: in float32 on a CPU."""
    is_float32_on_cpu = is_cpu(tensor.device) and tensor.dtype is torch.float32
    return is_float32_on_cpu and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def onednn_linear(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """As `linear` of rows [N, inputs]; the matrix may be packed by `torch.ops.mkldnn._reorder_linear_weight`."""
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product
