"""The body of a request of this surface, in the contract's words."""

from typing import Any, NamedTuple

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.spelling import Spelling


class OpenAiInput(NamedTuple):
    """The input of a chat completion or of a text completion.

    Attributes:
        request: One call of the service.
        num_choices: How many answers it is to have.
        is_streamed: Whether they are to come in parts.
        has_usage: Whether the last part of a stream is to tell the token counts.
        has_parallel_calls: Whether an answer may call more than one tool.
        has_token_ids: Whether log probabilities tell tokens by their ids, as vLLM writes them.
        spelling: Where the body has what may be found fault with.
    """

    request: pb.RunRequest
    num_choices: int
    is_streamed: bool
    has_usage: bool
    has_parallel_calls: bool
    has_token_ids: bool
    spelling: Spelling

    @property
    def has_prompt_logprobs(self) -> bool:
        """Whether the answer is to have the log probabilities of the prompt."""
        return self.request.sampling_params.HasField("top_prompt_logprobs")

    @property
    def requests(self) -> list[pb.RunRequest]:
        """The calls of the service, one for each choice: with seeds that follow one another, if there is a seed."""
        return [_nth(self.request, index) for index in range(self.num_choices)]


def model_id_of(value: object) -> str:
    """The model's id in a body that is not checked yet; empty if there is none."""
    model_id = value.get("model") if isinstance(value, dict) else None
    return model_id if isinstance(model_id, str) else ""


def to_openai_input(request: pb.RunRequest, fields: dict[str, Any], spelling: Spelling) -> OpenAiInput:
    """Adds what both kinds of request say in the same fields.

    Args:
        request: All else that the service is sent.
        fields: The checked body.
        spelling: Where it has what may be found fault with.

    Raises:
        AiError: Log probabilities of the prompt are asked for, for a stream.
    """
    if "prompt_logprobs" in fields:
        if fields.get("stream"):
            raise AiError("INVALID_REQUEST", "'/prompt_logprobs' needs '/stream' to be false")
        request.sampling_params.top_prompt_logprobs = int(fields["prompt_logprobs"])
    return OpenAiInput(
        request,
        num_choices=int(fields.get("n", 1)),
        is_streamed=fields.get("stream", False),
        has_usage=bool(fields.get("stream_options", {}).get("include_usage")),
        has_parallel_calls=fields.get("parallel_tool_calls", True),
        has_token_ids=fields.get("return_tokens_as_token_ids", False),
        spelling=spelling,
    )


def _nth(request: pb.RunRequest, index: int) -> pb.RunRequest:
    nth = pb.RunRequest()
    nth.CopyFrom(request)
    if request.sampling_params.HasField("seed"):
        # After the largest seed comes the smallest: the contract's are 64 bits wide.
        nth.sampling_params.seed = (request.sampling_params.seed + index + 2**63) % 2**64 - 2**63
    return nth
