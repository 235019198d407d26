"""JSON mode: the answer's text is one JSON value, and the result holds the value instead of the text."""

import json

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.http.body import finite
from bridge.http.json_text import JsonText


def json_answer(response: pb.RunResponse) -> JsonText:
    """The value that a completion writes.

    Raises:
        AiError: The completion was cut, or its value is none that every client can read.
    """
    if response.finish_reason == pb.FINISH_REASON_LENGTH:
        num_tokens = response.usage.completion_tokens
        raise AiError("FORMAT_UNSATISFIABLE", f"'/max_tokens' has cut the answer at {num_tokens}, ask for more")
    if response.HasField("matched_stop") or response.HasField("matched_stop_token_id"):
        # Such a text may be JSON and not fit: 1 of the 100 that a schema asks for.
        message = "a stop sequence or token has cut the answer, leave '/stop' and '/stop_token_ids' out"
        raise AiError("FORMAT_UNSATISFIABLE", message)
    try:
        json.loads(response.text, parse_float=finite, parse_constant=finite)
    except RecursionError:
        raise AiError("FORMAT_UNSATISFIABLE", "the answer is nested too deeply") from None
    except ValueError:
        # It has a number like 1e999.
        raise AiError("FORMAT_UNSATISFIABLE", "the answer is not whole JSON with finite numbers") from None
    return JsonText(response.text)
