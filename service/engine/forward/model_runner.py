"""The device: weights, KV cache, and one packed forward for each step."""

import itertools
from collections.abc import Callable, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from transformers import PreTrainedModel

from service.engine.attention.attention import ATTENTION_NAME
from service.engine.attention.packed_prefill import PrefillAttention
from service.engine.attention.paged_decode import DecodeAttention, decode_attention_for
from service.engine.forward.class_forward import Forward, class_forward
from service.engine.forward.decode_graphs import Capture, DecodeGraphs
from service.engine.forward.flight import Flight, Launched, Pending, Work
from service.engine.forward.fused_forward import fused_forward
from service.engine.forward.kv_cache import KVShape, bytes_per_block, make_kv_cache
from service.engine.forward.long_rope import use_long_rope
from service.engine.forward.native_decoder import NativeDecoder
from service.engine.forward.packing import Packer, StepInputs, packing_key
from service.engine.forward.prefill_attention import prefill_attention_for
from service.engine.lora.attach import LoadedAdapters
from service.engine.sampling.isolation import NextToken, next_tokens_of, prompt_logprobs, sample_sequences
from service.engine.sampling.sampled import SamplerOutput
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import num_blocks_for

StepScope = Callable[[list[ScheduledSequence]], AbstractContextManager[None]]
"""Makes what a step is computed within."""


class ModelRunner:
    """Runs the model over the scheduled sequences' tokens and samples the next ones.

    Args:
        model: A causal language model whose class lets its attention be replaced.
        shapes: What each of its layers keeps in the KV cache.
        num_blocks: How many blocks the KV cache has for sequences. One more, the last, is the scratch block, to which
            the padding of a batch is written; nothing reads it.
        accelerations: The ways to be faster that are used.
        decode_attention: How decoding sequences attend with `Acceleration.ATTENTION`; None for the device's own way.
        launch_work: How the device is given a step's work.
        max_num_tokens: The most tokens of a sequence; 0 for as many as the checkpoint was built for.
        adapters: The model's LoRA adapters, if it has any.
        prefill_attention: How sequences that prefill attend with one of `PREFILLS`; None for the library's own way.

    Attributes:
        accelerations: The ways to be faster that are used.
        block_bytes: What a block of the KV cache takes in all layers.
        graphs_bytes: `DecodeGraphs.taken_bytes`; zeros without graphs.
        max_num_tokens: The most tokens of a sequence.
        num_blocks: How many blocks the KV cache has for sequences.
        rope_switch: See `Sequence.outgrows`.
        step_scope: What each step is computed within; where several devices share the model, the others compute along.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        shapes: list[KVShape],
        num_blocks: int,
        accelerations: Set[Acceleration] = frozenset(),
        decode_attention: DecodeAttention | None = None,
        launch_work: Callable[[Work], Pending] = Launched,
        max_num_tokens: int = 0,
        adapters: LoadedAdapters | None = None,
        prefill_attention: PrefillAttention | None = None,
    ) -> None:
        model.set_attn_implementation(ATTENTION_NAME)
        self.rope_switch = use_long_rope(model)
        self.accelerations = accelerations
        self.block_bytes = bytes_per_block(shapes, model.dtype)
        self.max_num_tokens = max_num_tokens or model.config.get_text_config().max_position_embeddings
        self._device, self._dtype, self._shapes = model.device, model.dtype, shapes
        if Acceleration.ATTENTION not in accelerations:
            decode_attention = None
        elif decode_attention is None:
            decode_attention = decode_attention_for(model.device)
        self._decode_attention, self._adapters = decode_attention, adapters
        self._prefill_attention = prefill_attention_for(model.device, accelerations, prefill_attention)
        self._forward: Forward = fused_forward(model, accelerations) or class_forward(model)
        self.resize_kv_cache(num_blocks)
        self._unrecorded = self._forward
        self.graphs_bytes = (0, 0)
        self._launch_work = launch_work
        self.step_scope: StepScope = lambda packed: nullcontext()

    @property
    def is_native(self) -> bool:
        """Tells if steps are computed by `NativeDecoder`."""
        return isinstance(self._forward, NativeDecoder)

    def leave_native(self) -> None:
        """Computes steps from now on without `NativeDecoder`; whoever has blocks in the KV cache keeps them."""
        if isinstance(self._forward, NativeDecoder):
            self._forward = self._unrecorded = self._forward.fused
            self._packer = self._new_packer()

    def capture_graphs(self, capture: Capture, max_num_seqs: int) -> None:
        """Records the steps that only decode, and from now on replays them but those with LoRA adapters.

        See `DecodeGraphs`.
        """
        assert self._decode_attention is not None, "graphs needs attention"
        graphs = DecodeGraphs(
            self._forward, capture, self._kv_cache, self._decode_attention, self._num_columns, max_num_seqs
        )
        self._forward, self.graphs_bytes = graphs, graphs.taken_bytes

    def resize_kv_cache(self, num_blocks: int) -> None:
        """Makes a new, empty KV cache, elsewhere in memory: whatever knows its addresses is made after this."""
        self.num_blocks = num_blocks
        self._kv_cache = make_kv_cache(self._shapes, num_blocks + 1, self._dtype, self._device)
        self._num_columns = min(num_blocks_for(self.max_num_tokens), num_blocks)
        self._packer = self._new_packer()

    def _new_packer(self) -> Packer:
        return Packer(
            self._kv_cache,
            self._device,
            self._decode_attention,
            self._num_columns,
            self._adapters,
            self.is_native,
            self._prefill_attention,
        )

    def launch(self, scheduled: list[ScheduledSequence], before: Flight | None = None) -> Flight:
        """Gives the device a step to do: to compute the scheduled tokens, and to sample the next ones.

        Args:
            scheduled: The step's sequences.
            before: The step before it, if that is in flight: it samples the tokens that sequences don't know yet.
        """
        packed = sorted(scheduled, key=packing_key)
        sampling = [item for item in packed if item.is_last_chunk]
        next_tokens = [token for item in sampling for token in next_tokens_of(item)]
        prompts = [item for item in packed if item.num_prompt_logits]
        inputs = self._packer.pack(packed, {} if before is None else before.rows)

        def work() -> SamplerOutput:
            with self.step_scope(packed):
                logits = self._logits(inputs, None if before is None else before.pending.sampled)
            return self._sample(logits, next_tokens, prompts)

        first_rows = itertools.accumulate((item.num_sampled for item in sampling), initial=0)
        rows = dict(zip((item.sequence for item in sampling), first_rows, strict=False))
        return Flight(scheduled, rows, self._launch_work(work), prompts)

    def forget(self) -> None:
        """Drops what is kept between steps, after one that failed."""
        self._packer.forget()

    def logits(self, packed: list[ScheduledSequence]) -> torch.Tensor:
        """The logits after each sequence whose last chunk this is, and then within prompts, [places, vocabulary].

        Args:
            packed: The sequences in packing order: first those that decode, shortest first.
        """
        with self.step_scope(packed):
            logits = self._logits(self._packer.pack(packed, {}), None)
        return logits.clone() if self.is_native else logits

    @torch.inference_mode()
    def _sample(
        self, logits: torch.Tensor, next_tokens: list[NextToken], prompts: list[ScheduledSequence]
    ) -> SamplerOutput:
        if not prompts:
            return sample_sequences(logits, next_tokens)
        output = sample_sequences(logits[: len(next_tokens)], next_tokens)
        return replace(output, prompt_logprobs=prompt_logprobs(logits[len(next_tokens) :], prompts))

    @torch.inference_mode()
    def _logits(self, inputs: StepInputs, before: SamplerOutput | None) -> torch.Tensor:
        token_ids = inputs.token_ids
        if inputs.sampled_before is not None and before is not None:
            places, rows = inputs.sampled_before
            token_ids = token_ids.index_copy(0, places, before.token_ids.index_select(0, rows))
        if inputs.cleared_blocks is not None:
            for cache in self._kv_cache:
                cache.index_fill_(0, inputs.cleared_blocks, 0)
        step = token_ids[None], inputs.positions[None], inputs.last, inputs.batch
        if self._adapters is None or inputs.adapter_rows is None:
            return self._forward(*step)
        with self._adapters.active.set_to(inputs.adapter_rows):
            return self._unrecorded(*step)
