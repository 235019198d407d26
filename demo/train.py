"""Trains the demo model from nothing: `python -m demo.train`.

The same machine, thread count and options give the same weights. Products are in bfloat16 where the processor has it.
"""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import AttentionInterface, GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from demo.card import write_card
from demo.corpus import conversations
from demo.evaluate import evaluate
from demo.samples import Batch, Encoder, batches, chat_messages
from demo.tokenizer import CONTEXT_WINDOW, END, train_tokenizer
from service.demo import CHECKPOINT

SEED = 20
VALIDATION_SEED = 21
NUM_CONVERSATIONS = 170_000
TOKENS_PER_STEP = 2560
_NATIVE_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # the last is ARM's
_WARM_UP_STEPS = 80
_MATRIX_RATE, _OTHER_RATE = 6e-3, 3e-3


@dataclasses.dataclass(frozen=True)
class Training:
    """What the model card says about a training run.

    Attributes:
        num_parameters: Weights, the tied embedding counted once.
        num_conversations: Conversations in the corpus.
        num_tokens: Tokens read, padding included.
        wall_s: How long it took.
        cpu_s: The CPU time of all threads.
        num_threads: Threads that torch used.
        train_loss: Mean loss of the last hundred steps, nats per learned token.
        validation_loss: The same on conversations of another seed.
    """

    num_parameters: int
    num_conversations: int
    num_tokens: int
    wall_s: float
    cpu_s: float
    num_threads: int
    train_loss: float
    validation_loss: float


def product_dtype(capabilities: Iterable[str], kernels: str) -> torch.dtype:
    """The dtype of training's matrix products on a processor with these capabilities.

    A step in bfloat16 takes 0.7 of the time in float32 where the processor has it, and 20 times as long where it is
    emulated (measured on an AMD EPYC, 2 threads, the latter with ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2).

    Args:
        capabilities: Names as `torch.cpu.get_capabilities` has them.
        kernels: What torch's own kernels use of them, as `torch.backends.cpu.get_cpu_capability` says.
    """
    has_bfloat16 = kernels != "AVX2" and not set(_NATIVE_BFLOAT16).isdisjoint(capabilities)
    return torch.bfloat16 if has_bfloat16 else torch.float32


PRODUCT_DTYPE = product_dtype(
    (name for name, is_there in torch.cpu.get_capabilities().items() if is_there),
    torch.backends.cpu.get_cpu_capability(),
)


class InFloat32(TorchFunctionMode):
    """Keeps tensors as they are where code asks for them in bfloat16, as torch's Muon does on any processor."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Calls an operation of torch, or copies the tensor that it would have rounded."""
        if func is torch.Tensor.bfloat16:
            return args[0].clone()
        return func(*args, **(kwargs or {}))


def _attention(
    _module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, _mask: None, **_: object
) -> tuple[torch.Tensor, None]:
    """Causal attention in float32: PyTorch's backward pass of it on a CPU is several times slower in bfloat16."""
    with torch.autocast("cpu", enabled=False):
        output = functional.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), is_causal=True, enable_gqa=True
        )
    return output.transpose(1, 2).contiguous(), None


_ATTENTION = "runstream_training"
AttentionInterface.register(_ATTENTION, _attention)


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A small Llama with random weights."""
    end_ids = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(END)]
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=256, intermediate_size=640, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=4, head_dim=32, max_position_embeddings=CONTEXT_WINDOW, tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=end_ids,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.set_attn_implementation(_ATTENTION)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_token_id, eos_token_id=end_ids, pad_token_id=tokenizer.pad_token_id
    )
    return model


def loss_of(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Mean cross entropy over the learned tokens; only their logits are computed."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=PRODUCT_DTYPE is torch.bfloat16):
        hidden = model.model(input_ids=batch.token_ids, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden.flatten(0, 1)[batch.positions])
    return functional.cross_entropy(logits.float(), batch.targets)


class Optimizer:
    """Muon for the matrices inside the layers, AdamW for the rest, on one schedule: warm up, then down to zero."""

    def __init__(self, model: LlamaForCausalLM, num_steps: int) -> None:
        named = dict(model.named_parameters())
        matrices = [p for name, p in named.items() if p.ndim == 2 and "embed" not in name]
        others = [p for name, p in named.items() if p.ndim != 2 or "embed" in name]
        self._parts: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(matrices, lr=_MATRIX_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=_OTHER_RATE, betas=(0.9, 0.95), weight_decay=0.0),
        )

        def share(step: int) -> float:
            return min((step + 1) / _WARM_UP_STEPS, (num_steps - step) / num_steps)

        is_rounded = PRODUCT_DTYPE is torch.bfloat16
        self._precision: AbstractContextManager[object] = contextlib.nullcontext() if is_rounded else InFloat32()
        self._schedules = [torch.optim.lr_scheduler.LambdaLR(part, share) for part in self._parts]

    def step(self) -> None:
        """Changes the weights by their gradients and clears these."""
        for part, schedule in zip(self._parts, self._schedules, strict=True):
            with self._precision:
                part.step()
            schedule.step()
            part.zero_grad()


def fit(model: LlamaForCausalLM, steps: list[Batch]) -> float:
    """Trains on every batch once; returns the mean loss of the last hundred."""
    optimizer, losses, start = Optimizer(model, len(steps)), [], time.monotonic()
    for number, batch in enumerate(steps, 1):
        loss = loss_of(model, batch)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
        if number % 100 == 0 or number == len(steps):
            recent = sum(losses[-100:]) / len(losses[-100:])
            click.echo(f"step {number} of {len(steps)}, loss {recent:.3f}, {time.monotonic() - start:.0f} s")
    return sum(losses[-100:]) / len(losses[-100:])


def mean_loss(model: LlamaForCausalLM, steps: list[Batch]) -> float:
    """The model's loss over all learned tokens of the batches."""
    with torch.inference_mode():
        weighted = [(loss_of(model, batch).item(), len(batch.targets)) for batch in steps]
    return sum(loss * count for loss, count in weighted) / sum(count for _, count in weighted)


def train(num_conversations: int, folder: Path) -> Training:
    """Writes the corpus, learns the tokenizer, trains the model and saves all three's results in the folder."""
    start, cpu_start = time.monotonic(), time.process_time()
    corpus = list(conversations(SEED, num_conversations))
    texts = (message["content"] for conversation in corpus[:16_000] for message in chat_messages(conversation))
    tokenizer = train_tokenizer(texts)
    encoder = Encoder(tokenizer)
    steps = batches([encoder.encode(c) for c in corpus], TOKENS_PER_STEP, tokenizer.pad_token_id, SEED)
    checks = [encoder.encode(c) for c in conversations(VALIDATION_SEED, 400)]
    model = new_model(tokenizer)
    train_loss = fit(model, steps)
    model.half().save_pretrained(folder)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    validation = batches(checks, TOKENS_PER_STEP, tokenizer.pad_token_id, SEED)
    return Training(
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        num_conversations=num_conversations,
        num_tokens=sum(batch.token_ids.numel() for batch in steps),
        wall_s=time.monotonic() - start,
        cpu_s=time.process_time() - cpu_start,
        num_threads=torch.get_num_threads(),
        train_loss=train_loss,
        validation_loss=mean_loss(model.float(), validation),  # type: ignore[no-untyped-call]
    )


@click.command()
@click.option("--num-conversations", default=NUM_CONVERSATIONS, show_default=True, help="Size of the corpus.")
@click.option("--threads", default=2, show_default=True, help="Threads for torch; part of what makes a run repeatable.")
@click.option("--out", default=CHECKPOINT, type=click.Path(path_type=Path), help="Folder for the checkpoint.")
def main(num_conversations: int, threads: int, out: Path) -> None:
    """Train the demo model and write its card."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    training = dataclasses.asdict(train(num_conversations, out))
    (out / "training.json").write_text(json.dumps(training, indent=2) + "\n")
    write_card(out, evaluate(out))


if __name__ == "__main__":
    main()
