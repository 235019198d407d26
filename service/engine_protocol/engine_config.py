"""An engine's config, and what it tells of itself."""

from dataclasses import dataclass, field
from pathlib import Path

from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.choices import Tried
from service.engine_protocol.speculative import Speculation, Speculative

BLOCK_SIZE = 16
"""The number of tokens whose keys and values a block holds."""


ACTIVATION_DTYPES = ("auto", "int8")


def num_blocks_for(num_tokens: int) -> int:
    """The number of blocks that hold `num_tokens` tokens."""
    return -(-num_tokens // BLOCK_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryShare:
    """An engine's share of a CUDA device if its KV cache gets what is left.

    Attributes:
        utilization: The part of the device's memory that may be in use, by whomever; above 0, at most 1.
        budget_mib: What the engines of this service may take there together, in MiB; 0 for what `utilization` allows.
        num_engines: How many engines divide that; each gets as much as the others.
    """

    utilization: float = 0.9
    budget_mib: int = 0
    num_engines: int = 1

    def most_bytes(self, total_bytes: int) -> int:
        """The most that one engine may take of a device with so much memory."""
        together_bytes = int(self.utilization * total_bytes)
        if self.budget_mib:
            together_bytes = min(together_bytes, self.budget_mib << 20)
        return together_bytes // self.num_engines


@dataclass(frozen=True, slots=True)
class AdapterSource:
    """A LoRA adapter that an engine has beside its model.

    Attributes:
        name: What requests name.
        folder: Where PEFT saved it.
    """

    name: str
    folder: Path


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The checkpoint that an engine runs, its device and its bounds.

    Attributes:
        checkpoint: A folder with config.json and *.safetensors, or a GGUF file.
        device: "cpu", "cuda", "cuda:1", ...
        dtype: The name of a torch dtype, or "auto" for the checkpoint's own.
        max_num_seqs: The most sequences that run at once.
        max_num_batched_tokens: The most tokens of one step, at least `max_num_seqs`.
        kv_cache_memory_mib: How much memory the KV cache takes; 0 for what `memory_share` leaves, on CUDA only.
        num_threads: How many CPU threads a step uses; 0 for one fewer than there are cores, and at least one.
        quantization: How the weights are to be stored, as `load_model` takes it.
        activation_dtype: What activations are rounded to where packed weights are multiplied by them, one of
            `ACTIVATION_DTYPES`; "auto" leaves them 16 bits.
        accelerations: The ways to be faster that are used.
        graphs_bytes: The device's memory that CUDA graphs are to have; 0 for an estimate.
        other_devices: The devices that share the model with `device`, if it is sharded over several.
        memory_share: What the engine may take if the KV cache gets what is left.
        context_window: The most tokens that a sequence will have; 0 for as many as the checkpoint was built for. What
            the largest step takes depends on it.
        log_format: The form of its log's lines, "text" or "json".
        adapters: The LoRA adapters that are loaded beside the model; `Submit.adapter` names them.
        has_trials: Whether it tries which ways to compute are the quickest on its machine, and uses them.
        is_accelerated_by_trial: Whether that is done for `accelerations` too, if it is on a CUDA device.
        speculative: Where drafts come from.
        fallback: What is loaded in its place if it would not compute what the model's class does; None for nothing.
    """

    checkpoint: Path
    device: str = "cpu"
    dtype: str = "float32"
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 512
    kv_cache_memory_mib: int = 512
    num_threads: int = 0
    quantization: str = ""
    activation_dtype: str = "auto"
    accelerations: frozenset[Acceleration] = frozenset()
    graphs_bytes: int = 0
    other_devices: tuple[str, ...] = ()
    memory_share: MemoryShare = field(default_factory=MemoryShare)
    context_window: int = 0
    log_format: str = "text"
    adapters: tuple[AdapterSource, ...] = ()
    has_trials: bool = False
    is_accelerated_by_trial: bool = False
    speculative: Speculative = Speculative.NONE
    fallback: "EngineConfig | None" = None

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices on which it computes; more than one if these share the model."""
        return self.device, *self.other_devices


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Facts about a loaded engine.

    Attributes:
        vocab_size: Token ids are below this.
        max_position_embeddings: The most tokens of one sequence that the checkpoint was built for.
        num_kv_tokens: How many tokens the KV cache holds.
        kv_cache_bytes: What it takes.
        device, dtype: Where and in which precision it computes.
        tried: The ways to compute that were tried on its machine; empty if none was.
        speculation: How it drafts its sequences' next tokens.
    """

    vocab_size: int
    max_position_embeddings: int
    num_kv_tokens: int
    kv_cache_bytes: int
    device: str
    dtype: str
    tried: tuple[Tried, ...] = ()
    speculation: Speculation = field(default_factory=Speculation)
