"""What OpenTelemetry logs, as our log has it."""

import logging

from tracing.quiet_log import AGAIN_AFTER_S, OneLineOfAKind


def record(text, *values, name="opentelemetry.exporter", level=logging.WARNING):
    return logging.LogRecord(name, level, "", 0, text, values, (ValueError, ValueError("x"), None))


def test_a_kind_is_written_once_in_a_while(caplog):
    now = [0.0]
    handler = OneLineOfAKind(clock=lambda: now[0])
    for number in range(10):
        handler.handle(record("no collector, try %d", number))
    handler.handle(record("queue full"))
    assert caplog.messages == ["traces: no collector, try 0", "traces: queue full"]
    now[0] = AGAIN_AFTER_S
    handler.handle(record("no collector, try %d", 11))
    assert caplog.messages[2:] == ["traces: no collector, try 11"]


def test_no_line_has_a_traceback_or_is_long(caplog):
    OneLineOfAKind().handle(record("x" * 10_000))
    assert len(caplog.messages[0]) < 400
    assert caplog.records[0].exc_info is None


def test_the_number_of_kinds_is_bounded(caplog):
    handler = OneLineOfAKind()
    for number in range(1_000):
        handler.handle(record(f"kind {number}"))
    assert len(caplog.messages) == 100
