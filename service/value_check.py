"""The check of finished values against the schemas that were asked for, beside the event loop and bounded in time."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runstream.v1 import text_generation_pb2 as pb

from service.engine.line_process import LineProcess
from service.errors import UnsatisfiableFormatError
from service.form import Form

_TIMEOUT_S = 20.0
"""The process ends itself sooner, by the processor time that it has used, unless it gets none."""

_WHOLE = (pb.FINISH_REASON_STOP, pb.FINISH_REASON_TOOL_CALLS)


class ValueCheck:
    """Compiles schemas and checks values, one after the other, in a process that is started when it is first needed."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "value check")
        self._process = LineProcess(Path(__file__).with_name("value_check_process.py"), _TIMEOUT_S)

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
        """Ends the process."""
        self._thread.shutdown(cancel_futures=True)
        self._process.close()

    async def _check(self, form: Form, schema: str, value: str | None) -> None:
        line = json.dumps([schema, value])
        answer = await asyncio.wrap_future(self._thread.submit(self._process.ask, line))
        error = json.loads(answer) if answer else "checking it takes more than a second, or too much memory"
        if error:
            field = form.grammar.field
            raise UnsatisfiableFormatError(f"{field} can't be met: {error}", field)
