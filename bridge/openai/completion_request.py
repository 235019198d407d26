"""From the JSON of a text completion to a `RunRequest`."""

from typing import Any, Final

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.http.access_log import Access
from bridge.http.body import json_errors, parse_json
from bridge.openai.request import OpenAiInput, model_id_of, to_openai_input
from bridge.openai.schema import check_completion
from bridge.workers_ai.translation import INT32_MAX, to_request

# Workers AI's; OpenAI's own is 16, which cuts nearly every answer.
DEFAULT_MAX_TOKENS: Final = 256


@json_errors
def parse_completion(body: bytes, access: Access) -> OpenAiInput:
    """Reads what a request for text completions says.

    Args:
        body: JSON, whatever the request's content type says.
        access: Is told the model's id, also if the rest of the body is refused.

    Raises:
        AiError: It is not JSON, not what the schema allows, or asks for what this surface does not have.
    """
    value = parse_json(body)
    access.model_id = model_id_of(value)
    return _to_input(check_completion(value))


def _to_input(fields: dict[str, Any]) -> OpenAiInput:
    if "best_of" in fields and fields["best_of"] != fields.get("n", 1):
        raise AiError("INVALID_REQUEST", "'/best_of' must be '/n', all choices are answered")
    request, spelling = to_request(fields["model"], fields, None)
    _set_prompt(request, fields["prompt"])
    params = request.sampling_params
    if "max_tokens" not in fields:
        params.max_tokens, params.max_tokens_is_default = DEFAULT_MAX_TOKENS, True
    if "logprobs" in fields:
        params.top_logprobs = int(fields["logprobs"])
    return to_openai_input(request, fields, {**spelling, "/top_logprobs": "/logprobs"})


def _set_prompt(request: pb.RunRequest, prompt: str | list[Any]) -> None:
    """Reads a text or token ids, either also as the only entry of an array."""
    if isinstance(prompt, list) and len(prompt) == 1 and not _is_token_id(prompt[0]):
        (prompt,) = prompt
    if isinstance(prompt, str) and prompt:
        request.prompt.CopyFrom(pb.Prompt(text=prompt, raw=True))
    elif isinstance(prompt, list) and prompt and all(map(_is_token_id, prompt)):
        request.prompt_token_ids.values.extend(prompt)
    else:
        raise AiError(
            "INVALID_REQUEST", "'/prompt' must be one prompt, send each alone: a text or token ids, at least 1 of them"
        )


def _is_token_id(value: object) -> bool:
    # A vocabulary has fewer tokens than the contract can number, and true is a number to Python.
    return type(value) is int and 0 <= value <= INT32_MAX
