"""An engine that computes nothing: it speaks the engine's protocol and repeats prompts, at any rate.

    python -m service --engine-command "python -m bench.serving.scripted_engine --tokens-per-s 20000"

With it the cost of everything around an engine is measured at rates of a GPU that is not there, and tests of it need no
model. It runs as many sequences at once as `--max-num-seqs` says; the Nth token of a completion is the Nth of its
prompt, over and over, so that a completion is text wherever a prompt is.
"""

import os
import queue
import signal
import threading
import time
from dataclasses import dataclass, replace
from typing import BinaryIO

import click

from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig, EngineInfo
from service.engine_protocol.framing import receive, send
from service.engine_protocol.messages import Abort, Ready, Started, StepOutput, StepResult, Submit
from service.engine_protocol.sampling_params import FinishReason

Command = Submit | Abort

NUM_KV_TOKENS = 1 << 24
VOCAB_SIZE = 1 << 18


@dataclass(slots=True)
class Sequence:
    """A request, and how many tokens of its completion are told."""

    submit: Submit
    num_tokens: int = 0

    def next_token(self) -> StepOutput:
        """Its next token, the last one with the reason."""
        prompt = self.submit.prompt_token_ids
        token_id = prompt[self.num_tokens % len(prompt)]
        self.num_tokens += 1
        is_last = self.num_tokens == self.submit.params.max_tokens
        return StepOutput(self.submit.id, token_id, FinishReason.LENGTH if is_last else None)


class Pace:
    """Spreads tokens evenly over time. What is late stays late: no burst makes up for it.

    Args:
        tokens_per_s: How many; 0 for as many as there can be.
    """

    def __init__(self, tokens_per_s: float) -> None:
        self._tokens_per_s = tokens_per_s
        self._due_s = 0.0

    def wait(self, num_tokens: int) -> None:
        """Waits until so many tokens may go out."""
        if not self._tokens_per_s:
            return
        now_s = time.monotonic()
        self._due_s = max(now_s, self._due_s + num_tokens / self._tokens_per_s)
        if self._due_s > now_s:
            time.sleep(self._due_s - now_s)


class ScriptedEngine:
    """Steps over all sequences, like the engine's process.

    Args:
        commands: What to do, in order.
        results: Where results go.
        pace: How fast.
        steps_per_message: How many tokens of each sequence go out in one message.
        max_num_seqs: How many sequences run at once; the others wait, first come, first served.
    """

    def __init__(
        self,
        commands: "queue.SimpleQueue[Command]",
        results: BinaryIO,
        pace: Pace,
        steps_per_message: int,
        max_num_seqs: int,
    ) -> None:
        self._commands = commands
        self._results = results
        self._pace = pace
        self._steps_per_message = steps_per_message
        self._max_num_seqs = max_num_seqs
        self._sequences: dict[str, Sequence] = {}
        self._waiting: dict[str, Sequence] = {}

    def serve_forever(self) -> None:
        """Steps for as long as there is something to do, else waits."""
        while True:
            result = StepResult(num_free_blocks=NUM_KV_TOKENS // BLOCK_SIZE)
            self._obey(result)
            self._admit()
            for sequence in list(self._sequences.values()):
                self._step(sequence, result)
            if result.outputs:
                self._pace.wait(len(result.outputs))
            result = replace(result, num_running=len(self._sequences), num_waiting=len(self._waiting))
            send(self._results, result)

    def _obey(self, result: StepResult) -> None:
        """Carries out all commands that have come; waits for one if there is nothing else to do."""
        while (not self._sequences and not result.aborted) or not self._commands.empty():
            match self._commands.get():
                case Submit() as submit:
                    self._waiting[submit.id] = Sequence(submit)
                case Abort(request_id):
                    self._sequences.pop(request_id, None)
                    self._waiting.pop(request_id, None)
                    result.aborted.append(request_id)
            self._admit()

    def _admit(self) -> None:
        """Begins waiting sequences while there are places."""
        ids = list(self._waiting)[: self._max_num_seqs - len(self._sequences)]
        for request_id in ids:
            self._sequences[request_id] = self._waiting.pop(request_id)
        if ids:
            send(self._results, Started(ids))

    def _step(self, sequence: Sequence, result: StepResult) -> None:
        for _ in range(self._steps_per_message):
            output = sequence.next_token()
            result.outputs.append(output)
            if output.finish_reason:
                del self._sequences[output.id]
                return


def _read_commands(source: BinaryIO, commands: "queue.SimpleQueue[Command]") -> None:
    while (command := receive(source)) is not None:
        commands.put(command)
    os._exit(0)


@click.command(help=__doc__)
@click.option("--tokens-per-s", default=0.0, show_default=True, help="Of all sequences together; 0 for all it can.")
@click.option("--steps-per-message", default=1, show_default=True, type=click.IntRange(min=1))
def main(tokens_per_s: float, steps_per_message: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    source, results = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    config = receive(source)
    if not isinstance(config, EngineConfig):
        raise click.ClickException("the engine is started by the service, which sends its configuration first")
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_read_commands, args=(source, commands), daemon=True).start()
    context_window = config.context_window or VOCAB_SIZE
    kv_cache_bytes = config.kv_cache_memory_mib << 20  # as told, for who counts what engines take together
    info = EngineInfo(VOCAB_SIZE, context_window, NUM_KV_TOKENS, kv_cache_bytes, config.device, config.dtype)
    send(results, Ready(info))
    ScriptedEngine(commands, results, Pace(tokens_per_s), steps_per_message, config.max_num_seqs).serve_forever()


if __name__ == "__main__":
    main()
