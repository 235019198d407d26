"""How long a step of one replica takes, and what it has room for. Figures are given, not found here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One replica: a model on its card, as bytes to read and operations to do.

    Attributes:
        name: What it is, for the table.
        weights_s: What reading all weights takes, in seconds.
        kv_token_s: What reading one token's keys and values takes, in seconds.
        prefill_token_s: What computing one token of a prompt takes, in seconds.
        overhead_s: What a step takes beside these, in seconds.
        num_kv_tokens: How many tokens the KV cache holds.
        max_num_seqs: The most sequences that run at once.
        max_num_batched_tokens: The most tokens of one step.
        load_s: From a start to the first answer, in seconds.
        price_per_hour: What an hour costs, in US dollars.
    """

    name: str
    weights_s: float
    kv_token_s: float
    prefill_token_s: float
    overhead_s: float
    num_kv_tokens: int
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    load_s: float = 60.0
    price_per_hour: float = 3.0

    def step_s(self, num_context_tokens: int, num_prefill_tokens: int) -> float:
        """A step's time: weights are read while the prompt's tokens are computed, keys and values are read beside that.

        Args:
            num_context_tokens: Tokens that the decoding sequences have together.
            num_prefill_tokens: Tokens of prompts in this step.
        """
        computed_s = max(self.weights_s, num_prefill_tokens * self.prefill_token_s)
        return self.overhead_s + computed_s + num_context_tokens * self.kv_token_s


_H200_BYTES_PER_S = 4.8e12
_H200_OPERATIONS_PER_S = 790e12
_8B_PARAMETERS = 8.03e9
_8B_KV_TOKEN_BYTES = 131072

H200_8B = Hardware(
    name="Llama-3.1-8B in bf16 on an H200, at 75 % of its bandwidth and 60 % of its operations (assumed, not measured)",
    weights_s=2 * _8B_PARAMETERS / (0.75 * _H200_BYTES_PER_S),
    kv_token_s=_8B_KV_TOKEN_BYTES / (0.75 * _H200_BYTES_PER_S),
    prefill_token_s=2 * _8B_PARAMETERS / (0.6 * _H200_OPERATIONS_PER_S),
    overhead_s=0.0005,
    num_kv_tokens=int((0.9 * 141e9 - 2 * _8B_PARAMETERS) / _8B_KV_TOKEN_BYTES),
)
