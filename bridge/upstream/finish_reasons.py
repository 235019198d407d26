"""Finish reasons of answers, in the words of both Workers AI's clients and OpenAI's."""

from typing import Final

from runstream.v1 import text_generation_pb2 as pb

FINISH_REASONS: Final = {
    pb.FINISH_REASON_STOP: "stop",
    pb.FINISH_REASON_LENGTH: "length",
    pb.FINISH_REASON_TOOL_CALLS: "tool_calls",
}
