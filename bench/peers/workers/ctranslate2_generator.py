"""CTranslate2's generator: a static batch."""

import json
import time
from pathlib import Path
from typing import Any

from bench.peers.workers.loop import Times, work


class CTranslate2:
    """Args:
    options: `weights`, a converted model's folder, and `compute_type` as CTranslate2 calls it.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        import ctranslate2

        folder = options["weights"]
        self._generator = ctranslate2.Generator(
            folder, device="cpu", compute_type=options["compute_type"], intra_threads=1, inter_threads=1
        )
        self._tokens = json.loads((Path(folder) / "vocabulary.json").read_text())

    def generate(self, prompts: list[list[int]], num_new_tokens: int) -> Times:
        """Answers."""
        begun_at = time.perf_counter()
        times_s: Times = [[] for _ in prompts]

        def take(result: Any) -> bool:
            times_s[result.batch_id].append(time.perf_counter() - begun_at)
            return False  # or it would stop

        self._generator.generate_batch(
            [[self._tokens[token_id] for token_id in prompt] for prompt in prompts],
            max_batch_size=len(prompts),
            batch_type="examples",
            beam_size=1,
            sampling_topk=1,
            min_length=num_new_tokens,
            max_length=num_new_tokens,
            include_prompt_in_result=False,
            callback=take,
        )
        return times_s


if __name__ == "__main__":
    work(CTranslate2)
