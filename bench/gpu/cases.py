"""What is measured on a GPU, and what each figure should reach.

Weights are random, so nothing is downloaded: the shapes are those of the real checkpoints.
"""

import enum
from dataclasses import dataclass, replace


class Weights(enum.StrEnum):
    """How the matrices of the layers are kept."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"
    AWQ = "awq"  # 4 bits; each 128 share a scale of 16 bits and a zero of 4

    @property
    def dtype(self) -> str:
        """In which numbers to compute: the catalog's."""
        return "float16" if self is Weights.FLOAT16 else "bfloat16"


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a Llama-like decoder without biases, whose head is a matrix of its own."""

    num_layers: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    vocab_size: int
    max_position_embeddings: int
    head_size: int = 128

    @property
    def num_layer_weights(self) -> int:
        """Numbers in the matrices of all layers."""
        attention = 2 * self.hidden_size * self.head_size * (self.num_heads + self.num_kv_heads)
        return self.num_layers * (attention + 3 * self.hidden_size * self.intermediate_size)

    @property
    def num_other_weights(self) -> int:
        """Numbers in embeddings, head and norms."""
        return 2 * self.vocab_size * self.hidden_size + (2 * self.num_layers + 1) * self.hidden_size

    @property
    def num_parameters(self) -> int:
        """All of them."""
        return self.num_layer_weights + self.num_other_weights


LLAMA_2_7B = ModelShape(32, 4096, 11008, 32, 32, 32000, 4096)
CODELLAMA_7B = replace(LLAMA_2_7B, vocab_size=32016, max_position_embeddings=16_384)
LLAMA_3_1_8B = ModelShape(32, 4096, 14336, 32, 8, 128256, 7968)  # as long as the catalog lets it be
_TINY = ModelShape(2, 128, 256, 4, 2, 320, 512, head_size=32)


class Kind(enum.Enum):
    """What a case's values are."""

    DECODE = "decode"  # seconds of a step in which all sequences decode
    PREFILL = "prefill"  # seconds
    MIXED = "mixed"  # tokens per second
    SERVING = "serving"  # tokens per second
    LATENCY = "latency"  # seconds


@dataclass(frozen=True)
class Goal:
    """What a figure should reach.

    Attributes:
        share_of_floor: The floor by the measured time; 0 where there is no such goal.
        times: How many times as fast as `other`.
        seconds_above: How much longer than `other` it may take.
        other: Another case's name. Its best way counts, but for what is served: that is held against the same way.
    """

    share_of_floor: float = 0.0
    times: float = 0.0
    seconds_above: float = 0.0
    other: str = ""

    def __str__(self) -> str:
        if self.share_of_floor:
            return f"at least {self.share_of_floor:.0%} of the floor's rate"
        if self.times:
            return f"at least {self.times:g} times {self.other}"
        if self.seconds_above:
            return f"at most {self.seconds_above * 1e3:g} ms above {self.other}"
        return f"at most that of {self.other}" if self.other else ""


@dataclass(frozen=True)
class Case:
    """A row of the table.

    Attributes:
        name: Its first column.
        kind: What is measured.
        shape, weights: The model.
        num_sequences: How many sequences, requests or streams there are at once.
        num_tokens: Of DECODE, how many tokens each sequence has about the middle of the measurement; of the others, how
            many tokens each prompt has, or at most has.
        num_new_tokens: How many tokens each request of a load gets, or at most gets.
        goal: What it should reach.
    """

    name: str
    kind: Kind
    shape: ModelShape
    weights: Weights
    num_sequences: int = 1
    num_tokens: int = 0
    num_new_tokens: int = 1
    goal: Goal = Goal()

    @property
    def is_served(self) -> bool:
        """Whether its goal is about what the service adds to its engine."""
        return self.kind in (Kind.SERVING, Kind.LATENCY)

    @property
    def is_rate(self) -> bool:
        """Whether more is better."""
        return self.kind in (Kind.MIXED, Kind.SERVING)

    def shrunk(self) -> "Case":
        """The same for a machine without a GPU, in a moment."""
        return replace(
            self,
            shape=_TINY,
            num_sequences=min(self.num_sequences, 4),
            num_tokens=min(self.num_tokens, 64),
            num_new_tokens=min(self.num_new_tokens, 8),
        )


LLAMA_2_ALONE = Case(
    "Llama-2-7B fp16, 1 sequence", Kind.DECODE, LLAMA_2_7B, Weights.FLOAT16, goal=Goal(share_of_floor=0.85)
)
LLAMA_2_MANY = Case(
    "Llama-2-7B fp16, 32 sequences at 2,048",
    Kind.DECODE,
    LLAMA_2_7B,
    Weights.FLOAT16,
    num_sequences=32,
    num_tokens=2048,
    goal=Goal(share_of_floor=0.75),
)
INT8_ALONE = Case(
    "Llama-2-7B int8, 1 sequence",
    Kind.DECODE,
    LLAMA_2_7B,
    Weights.INT8,
    goal=Goal(times=1.7, other=LLAMA_2_ALONE.name),
)
AWQ_ALONE = Case(
    "CodeLlama-7B AWQ, 1 sequence",
    Kind.DECODE,
    CODELLAMA_7B,
    Weights.AWQ,
    goal=Goal(times=2.3, other=LLAMA_2_ALONE.name),
)
_LLAMA_3 = Case("", Kind.DECODE, LLAMA_3_1_8B, Weights.BFLOAT16)
LLAMA_3_ALONE = replace(_LLAMA_3, name="Llama-3.1-8B bf16, 1 sequence", goal=Goal(share_of_floor=0.85))
LLAMA_3_MANY = replace(
    _LLAMA_3,
    name="Llama-3.1-8B bf16, 32 sequences at 2,048",
    num_sequences=32,
    num_tokens=2048,
    goal=Goal(share_of_floor=0.75),
)
LLAMA_3_MOST = replace(
    LLAMA_3_MANY,
    name="Llama-3.1-8B bf16, 128 sequences at 2,048",
    num_sequences=128,
    goal=Goal(share_of_floor=0.70),
)
PREFILL = replace(
    _LLAMA_3,
    name="prefill, Llama-3.1-8B, 8 prompts of 1,024",
    kind=Kind.PREFILL,
    num_sequences=8,
    num_tokens=1024,
    goal=Goal(share_of_floor=0.60),
)
PEER = replace(
    _LLAMA_3,
    name="mixed load, transformers' generate_batch",
    kind=Kind.MIXED,
    num_sequences=256,
    num_tokens=1024,
    num_new_tokens=512,
)
MIXED = replace(PEER, name="mixed load, 256 requests", goal=Goal(times=3.0, other=PEER.name))
OWN_STREAMS = replace(
    _LLAMA_3,
    name="128 streams, engine alone",
    kind=Kind.SERVING,
    num_sequences=128,
    num_tokens=128,
    num_new_tokens=64,
)
GRPC_STREAMS = replace(OWN_STREAMS, name="128 streams, gRPC", goal=Goal(times=0.95, other=OWN_STREAMS.name))
REST_STREAMS = replace(OWN_STREAMS, name="128 streams, REST", goal=Goal(times=0.95, other=OWN_STREAMS.name))
OWN_FIRST = replace(_LLAMA_3, name="first token of a 512-token prompt, engine alone", kind=Kind.LATENCY, num_tokens=512)
REST_FIRST = replace(
    OWN_FIRST,
    name="first token of a 512-token prompt, REST",
    goal=Goal(seconds_above=0.010, other=OWN_FIRST.name),
)
DISCONNECT = replace(
    OWN_FIRST,
    name="client gone to request dropped, REST",
    num_tokens=128,
    goal=Goal(seconds_above=0.0, other=LLAMA_3_ALONE.name),
)

SERVED = (GRPC_STREAMS, REST_STREAMS, REST_FIRST, DISCONNECT)
"""Those that need the service and the bridge."""

CASES = (
    LLAMA_2_ALONE,
    INT8_ALONE,
    AWQ_ALONE,
    LLAMA_3_ALONE,
    LLAMA_3_MANY,
    LLAMA_3_MOST,
    LLAMA_2_MANY,
    PREFILL,
    MIXED,
    PEER,
    OWN_STREAMS,
    GRPC_STREAMS,
    REST_STREAMS,
    OWN_FIRST,
    REST_FIRST,
    DISCONNECT,
)
"""In the order of the table."""
