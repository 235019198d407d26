"""transformers' `generate`: a static batch."""

import time
from typing import Any

from bench.peers.workers.loop import Times, work


class Transformers:
    """Args:
    options: `weights`, a checkpoint's folder, and `dtype`, a torch dtype's name.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(1)
        self._torch = torch
        dtype = getattr(torch, options["dtype"])
        model = AutoModelForCausalLM.from_pretrained(options["weights"], dtype=dtype, attn_implementation="sdpa")
        self._model: Any = model.eval()

    def generate(self, prompts: list[list[int]], num_new_tokens: int) -> Times:
        """Answers prompts of one length."""
        ids = self._torch.tensor(prompts)
        begun_at = time.perf_counter()
        times: list[float] = []

        def note(token_ids: Any, scores: Any, **kwargs: Any) -> Any:
            times.append(time.perf_counter() - begun_at)
            return self._torch.zeros(len(token_ids), dtype=self._torch.bool)

        self._model.generate(
            ids,
            attention_mask=self._torch.ones_like(ids),
            max_new_tokens=num_new_tokens,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=-1,
            stopping_criteria=[note],
        )
        return [times] * len(prompts)


if __name__ == "__main__":
    work(Transformers)
