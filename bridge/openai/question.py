"""What a client of this surface asks, in the contract's words."""

from typing import Any, NamedTuple

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError


class Question(NamedTuple):
    """What a client asks.

    Attributes:
        request: One call of the service.
        num_choices: How many answers it is to have.
        is_streamed: Whether they are to come in parts.
        has_usage: Whether the last part of a stream is to tell the token counts.
        has_parallel_calls: Whether an answer may call more than one tool.
    """

    request: pb.RunRequest
    num_choices: int
    is_streamed: bool
    has_usage: bool
    has_parallel_calls: bool

    @property
    def requests(self) -> list[pb.RunRequest]:
        """The calls of the service, one for each choice: with seeds that follow one another, if there is a seed."""
        return [_nth(self.request, index) for index in range(self.num_choices)]


def to_question(request: pb.RunRequest, fields: dict[str, Any]) -> Question:
    """Adds what both kinds of request say in the same fields.

    Args:
        request: All that the service is asked.
        fields: The checked body.

    Raises:
        AiError: A LoRA is asked for.
    """
    if "lora" in fields:
        raise AiError("LORA_UNSUPPORTED", f"The model {request.model} does not support LoRa inference")
    return Question(
        request,
        num_choices=int(fields.get("n", 1)),
        is_streamed=fields.get("stream", False),
        has_usage=bool(fields.get("stream_options", {}).get("include_usage")),
        has_parallel_calls=fields.get("parallel_tool_calls", True),
    )


def _nth(request: pb.RunRequest, index: int) -> pb.RunRequest:
    nth = pb.RunRequest()
    nth.CopyFrom(request)
    if request.sampling_params.HasField("seed"):
        # After the largest seed comes the smallest: the contract's are 64 bits wide.
        nth.sampling_params.seed = (request.sampling_params.seed + index + 2**63) % 2**64 - 2**63
    return nth
