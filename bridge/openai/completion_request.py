"""From the JSON of a text completion to what the service is asked."""

from typing import Any, Final

from runstream.v1 import text_generation_pb2 as pb

from bridge.body import parse_json
from bridge.errors import AiError
from bridge.openai.question import Question, to_question
from bridge.openai.schema import check_completion
from bridge.translation import to_sampling_params, to_stop_sequences

# Workers AI's; OpenAI's own is 16, which cuts nearly every answer.
DEFAULT_MAX_TOKENS: Final = 256


def parse_completion(body: bytes) -> Question:
    """Reads the body of a text completion, whose prompt goes to the model unchanged.

    Args:
        body: JSON, whatever the request's content type says.

    Raises:
        AiError: It is not JSON, not what the schema allows, or asks for what this surface does not have.
    """
    return parse_json(body, lambda value: _question(check_completion(value)))


def _question(fields: dict[str, Any]) -> Question:
    if "best_of" in fields and fields["best_of"] != fields.get("n", 1):
        raise AiError("INVALID_REQUEST", "'/best_of' must be '/n', all choices are answered")
    prompt = fields["prompt"]
    request = pb.RunRequest(
        model=fields["model"],
        prompt=pb.Prompt(text=prompt if isinstance(prompt, str) else prompt[0], raw=True),
        sampling_params=_sampling_params(fields),
        stop_sequences=to_stop_sequences(fields),
    )
    return to_question(request, fields)


def _sampling_params(fields: dict[str, Any]) -> pb.SamplingParams:
    params = to_sampling_params(fields)
    if "max_tokens" not in fields:
        params.max_tokens, params.max_tokens_is_default = DEFAULT_MAX_TOKENS, True
    if "logprobs" in fields:
        params.top_logprobs = int(fields["logprobs"])
    return params
