"""What has kernels for packed weights, for GetModel."""

from torch import nn

from service.engine.linears.kernel_trials import layer_name, packed_layers, ranges
from service.engine_protocol.choices import TrialOutcome, Tried


def tried_kernels(model: nn.Module) -> tuple[Tried, ...]:
    """The sizes of a model's packed layers that have a kernel, with the numbers of rows for which it is used."""
    told = {layer_name(it): ranges(it.kernel.row_counts) for it in packed_layers(model) if it.kernel is not None}
    return tuple(Tried("kernels", name, TrialOutcome.USED, f"for {rows} rows") for name, rows in told.items())
