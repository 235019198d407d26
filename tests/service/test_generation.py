"""What a prompt's way to the engine checks beside the prompt itself."""

from dataclasses import replace
from pathlib import Path

import pytest
from runstream.v1 import text_generation_pb2 as pb

from service.errors import InvalidRequestError
from service.generation import TextGenerator
from service.metrics import Metrics
from service.models.models import Models
from tests.support.fake_engine import make_loader, make_model, save_checkpoint


async def test_a_text_with_a_token_that_the_weights_lack_is_refused(tmp_path: Path) -> None:
    one = make_model("one", save_checkpoint(tmp_path))
    one.engine.info = replace(one.engine.info, vocab_size=100)  # type: ignore[attr-defined]  # a fake engine's
    models = Models({"one": one.entry}, "", make_loader(one), lambda entry: one)
    await models.load("one")
    generator = TextGenerator(models, Metrics())
    counted = await generator.count_tokens(pb.RunRequest(model="one", prompt=pb.Prompt(text="!", raw=True)))
    assert counted.prompt_tokens == 2
    with pytest.raises(InvalidRequestError, match=r"input has token \d{3}; the token ids .* are 0 to 99"):
        await generator.count_tokens(pb.RunRequest(model="one", prompt=pb.Prompt(text="the", raw=True)))
    generator.close()
