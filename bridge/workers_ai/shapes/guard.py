"""The shape of Llama Guard: messages in, and whether they are safe out.

The model writes "safe", or "unsafe" and the hazards on a line of its own. With `response_format` the answer is kept to
that form and becomes `{"safe", "categories"}`; without, it is the text.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.upstream.generation import generate
from bridge.validation.validator import SchemaValidator
from bridge.validation.violations import describe_all
from bridge.workers_ai.answer_schemas import GUARD_RESULT
from bridge.workers_ai.envelope import native_result
from bridge.workers_ai.schema import FIELDS, MESSAGES, Schema, check_input, described, object_schema
from bridge.workers_ai.shapes.native import NativeInput
from bridge.workers_ai.shapes.shape import Shape, Whole
from bridge.workers_ai.translation import to_run_input

CATEGORY: Final = "S(?:1[0-4]|[1-9])"
VERDICT: Final = rf"(?:\n\n)?(?:safe|unsafe\n{CATEGORY}(?:,{CATEGORY})*)"

GUARD_SCHEMA: Final[Schema] = {
    "title": "Messages",
    **object_schema(
        ["messages"],
        messages=MESSAGES,
        **{name: FIELDS[name] for name in ("max_tokens", "temperature", "stream")},
        response_format=described(
            object_schema(["type"], type={"enum": ["json_object"]}),
            "The answer tells `safe` and `categories` instead of its text. Not together with `stream`.",
        ),
    ),
}
_VALIDATOR: Final = SchemaValidator(GUARD_SCHEMA)


class GuardInput(NativeInput):
    """An input that is answered natively, or with a verdict."""

    __slots__ = ()

    @property
    def batch_fault(self) -> str:
        """A batch does not remember who wanted a verdict."""
        wants = "'/response_format' is not read in a batch of this model, whose answers are texts there"
        return wants if self._wants_verdict else super().batch_fault

    @property
    def _wants_verdict(self) -> bool:
        return self.request.response_format.WhichOneof("format") == "regex"

    async def whole(self, http_request: web.Request) -> Whole:
        """Answers with the text, or the verdict that it tells."""
        answer = await generate(http_request, self.request)
        result = native_result(answer, is_json_mode=False)
        if self._wants_verdict:
            result["response"] = verdict(answer)
        return Whole(result, answer.served_model)


class GuardShape(Shape):
    """The shape of models that judge a conversation."""

    @property
    def inputs(self) -> Sequence[Schema]:
        """Messages."""
        return (GUARD_SCHEMA,)

    @property
    def outputs(self) -> Sequence[Schema]:
        """The native result with a text or a verdict."""
        return (GUARD_RESULT,)

    def read(self, model_id: str, value: object) -> GuardInput:
        """Reads messages; other fields of Workers AI's are honoured as everywhere.

        Raises:
            AiError: They are not what the schema allows.
        """
        fields = {name: given for name, given in value.items() if given is not None} if isinstance(value, dict) else {}
        if not _VALIDATOR.is_valid(fields):
            raise AiError("INVALID_REQUEST", describe_all(_VALIDATOR.iter_errors(fields)))
        wants_verdict = fields.pop("response_format", None) is not None
        read = GuardInput(*to_run_input(model_id, check_input(fields)))
        if wants_verdict:
            if read.is_streamed:
                raise AiError("FORMAT_STREAMED")
            if read.request.HasField("response_format"):
                raise AiError("INVALID_REQUEST", "only one form can be asked for, leave '/response_format' out")
            read.request.response_format.CopyFrom(pb.ResponseFormat(regex=VERDICT))
        return read

    def result(self, result: batches_pb2.BatchResult) -> dict[str, Any]:
        """The native result with the text."""
        return native_result(result.response, is_json_mode=False)


def verdict(answer: pb.RunResponse) -> dict[str, Any]:
    """Whether a conversation is safe, and if not, what it is about.

    Raises:
        AiError: The answer is cut.
    """
    if answer.finish_reason != pb.FINISH_REASON_STOP or not re.fullmatch(VERDICT, answer.text):
        raise AiError("FORMAT_UNSATISFIABLE", "the answer is cut, ask for more '/max_tokens'")
    return {"safe": answer.text.strip() == "safe", "categories": re.findall(CATEGORY, answer.text)}


GUARD_SHAPE: Shape = GuardShape()
