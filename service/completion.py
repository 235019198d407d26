"""A completion on its way out: what the engine puts out becomes the parts of a stream, and parts become an answer."""

import logging
import time
from collections.abc import Iterable

from runstream.v1 import text_generation_pb2 as pb

from service.conversion import FINISH_REASONS
from service.detokenizer import Detokenizer
from service.engine.request import EngineOutput
from service.metrics import Metrics

_log = logging.getLogger(__name__)


class Completion:
    """Turns one request's engine outputs into parts, and counts them.

    Args:
        request_id: Stands in every part.
        served_model: The model that answers.
        num_prompt_tokens: For the usage.
        detokenizer: A fresh one.
        metrics: Gets times and counts.
        started_at: When the call came in, by `time.perf_counter`.
    """

    def __init__(
        self,
        request_id: str,
        served_model: str,
        num_prompt_tokens: int,
        detokenizer: Detokenizer,
        metrics: Metrics,
        started_at: float,
    ) -> None:
        self._request_id = request_id
        self._served_model = served_model
        self._num_prompt_tokens = num_prompt_tokens
        self._detokenizer = detokenizer
        self._metrics = metrics
        self._started_at = started_at
        self._num_tokens = 0

    def add(self, output: EngineOutput) -> pb.RunStreamResponse | None:
        """The part that an output makes; None if it settles no text and is not the last."""
        self._count(output)
        text = self._detokenizer.push(output.token_ids)
        if output.finish_reason is None:
            return self._part(text) if text else None
        part = self._part(text + self._detokenizer.flush())
        part.finish_reason = FINISH_REASONS[output.finish_reason]
        part.usage.prompt_tokens = self._num_prompt_tokens
        part.usage.completion_tokens = self._num_tokens
        part.usage.cached_prompt_tokens = output.num_cached_tokens
        return part

    def _part(self, text: str) -> pb.RunStreamResponse:
        return pb.RunStreamResponse(id=self._request_id, served_model=self._served_model, text=text)

    def _count(self, output: EngineOutput) -> None:
        elapsed_s = time.perf_counter() - self._started_at
        if self._num_tokens == 0:
            self._metrics.count_prompt(self._served_model, self._num_prompt_tokens)
            self._metrics.observe_first_token(self._served_model, elapsed_s)
        self._num_tokens += len(output.token_ids)
        self._metrics.count_tokens(self._served_model, len(output.token_ids))
        if output.finish_reason is not None:
            self._metrics.observe_end(self._served_model, output.finish_reason.value, elapsed_s)
            _log.info(
                "request %s: %s, %d prompt tokens, %d completion tokens, %s, %.3f s",
                *(self._request_id, self._served_model, self._num_prompt_tokens, self._num_tokens),
                *(output.finish_reason.value, elapsed_s),
            )


def join(parts: Iterable[pb.RunStreamResponse]) -> pb.RunResponse:
    """The answer that a whole stream amounts to, by the law in the contract."""
    *_, last = parts = list(parts)
    return pb.RunResponse(
        id=last.id,
        served_model=last.served_model,
        text="".join(part.text for part in parts),
        finish_reason=last.finish_reason,
        usage=last.usage,
    )
