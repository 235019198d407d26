"""The check of finished values against the schemas that were asked for, beside the event loop and bounded in time."""

import asyncio
import json
from pathlib import Path

from runstream.v1 import text_generation_pb2 as pb

from service.errors import UnsatisfiableFormatError
from service.schemas.form import Form
from service.work_lanes.lanes import TooLongError, WorkLanes, answer_of

_LIMITS_S = (0.1, 1.0)
"""Seconds of the processor for one check: in the lane of those that are soon done, and in the other."""

_TIMEOUT_S = 20.0
"""The processes end themselves sooner, unless they get no processor."""

_WHOLE = (pb.FINISH_REASON_STOP, pb.FINISH_REASON_TOOL_CALLS)


class ValueCheck:
    """Compiles schemas and checks values in processes that are started when they are first needed."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("value_check_process.py")
        self._lanes = WorkLanes(program, _LIMITS_S, _TIMEOUT_S)

    async def prepare(self, form: Form) -> None:
        """Looks whether values can be checked against a form's schemas.

        Raises:
            UnsatisfiableFormatError: One of them is no JSON Schema, or takes more than a second to read.
        """
        for schema in form.schemas:
            await self._check(form, schema, None)

    async def check(self, form: Form, answer: pb.RunResponse) -> None:
        """Checks an answer that is whole: cut neither by max_tokens nor by a stop sequence or token.

        Raises:
            UnsatisfiableFormatError: It does not have the form, or it takes more than a second to find out.
        """
        is_stopped = answer.HasField("matched_stop") or answer.HasField("matched_stop_token_id")
        if answer.finish_reason not in _WHOLE or is_stopped:
            return
        for call in answer.tool_calls:
            if call.name in form.schemas_of_tools:
                await self._check(form, form.schemas_of_tools[call.name], call.arguments_json)
        if form.schema and not answer.tool_calls:
            await self._check(form, form.schema, answer.text)

    def close(self) -> None:
        """Ends the processes."""
        self._lanes.close()

    async def _check(self, form: Form, schema: str, value: str | None) -> None:
        line = json.dumps([schema, value])
        try:
            error = json.loads(await asyncio.wrap_future(self._lanes.submit(lambda process: answer_of(process, line))))
        except TooLongError:
            error = "checking it takes more than a second, or too much memory"
        if error:
            field = form.grammar.field
            raise UnsatisfiableFormatError(f"{field} can't be met: {error}", field)
