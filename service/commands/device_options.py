"""The options of `python -m service` that say where models compute, in which precision, and in which ways."""

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from service.catalog import DTYPES
from service.commands import option_values
from service.config import DEFAULTS
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import ACTIVATION_DTYPES
from service.engine_protocol.speculative import Speculative

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_option = functools.partial(click.option, show_envvar=True, show_default=True)
_optional = functools.partial(click.option, show_envvar=True, default="")

_OPTIONS: Final[list[Callable[[Any], Any]]] = [
    _option(
        "--device",
        "--devices",
        "devices",
        envvar=["RUNSTREAM_SERVICE_DEVICES", "RUNSTREAM_SERVICE_DEVICE"],
        default=",".join(DEFAULTS.devices),
        metavar="NAMES",
        callback=option_values.devices,
        help="Where the models run: auto, cpu, cuda, cuda:1, ... auto is a GPU that PyTorch sees and that has room for "
        "the models, else the CPU. With several, such as 0,1 for two GPUs, each model has an "
        "engine on each; that was never tried on several GPUs.",
    ),
    _option(
        "--tensor-parallel",
        type=click.IntRange(min=1),
        default=DEFAULTS.tensor_parallel,
        help="How many devices share a model that does not fit one: 2 with --devices 0,1. Never run on several GPUs "
        "yet.",
    ),
    _optional(
        "--dtype", type=click.Choice(DTYPES), default=None, help="Computes in it instead of the catalog's dtypes."
    ),
    _option(
        "--activation-dtype",
        type=click.Choice(ACTIVATION_DTYPES),
        default=DEFAULTS.activation_dtype,
        help="int8 rounds activations to 8 bits where weights of 8 and 4 bits are multiplied by them (W8A8, W4A8), on "
        "the CPU: quicker and less exact. auto leaves them 16 bits.",
    ),
    _option(
        "--gpu-memory-utilization",
        type=click.FloatRange(min=0, max=1, min_open=True),
        default=DEFAULTS.gpu_memory_utilization,
        help="The part of a GPU's memory that may be in use, if no --kv-cache-memory-mib is given; several models "
        "divide it evenly.",
    ),
    _option(
        "--num-threads",
        type=click.IntRange(min=0),
        default=DEFAULTS.num_threads,
        help="The CPU threads of each model; 0 for what --trials finds, else one fewer than there are cores.",
    ),
    _option(
        "--accelerate",
        "accelerations",
        envvar="RUNSTREAM_SERVICE_ACCELERATE",
        default="auto",
        metavar="NAMES",
        callback=option_values.accelerations,
        help="Ways to be faster on a GPU: auto for those that --trials finds right and quicker there, none, or names "
        f"with commas between: {', '.join(Acceleration)}. None has run on a GPU yet.",
    ),
    _option(
        "--speculative",
        type=click.Choice([*map(str, Speculative)]),
        default=DEFAULTS.speculative.value,
        callback=option_values.speculative,
        help="Speculative decoding by prompt lookup: what stood behind the same tokens before is computed as a draft, "
        "and kept as far as it would have been sampled anyway. auto where tokens stay the same to the bit, which is on "
        "a CPU with compiled code of our own; ngram elsewhere too, which was not measured; or none.",
    ),
    _option(
        "--trials",
        type=click.Choice(("at-load", "never")),
        default=DEFAULTS.trials,
        help="Tries which ways to compute are the quickest on this machine when a model is loaded for the first time, "
        "and keeps what is found for later starts. It takes some seconds.",
    ),
]


def add_device_options(command: CommandT) -> CommandT:
    """Gives a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
