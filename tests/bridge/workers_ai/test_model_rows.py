"""What a search of models finds, and what is told of each."""

import pytest
from runstream.v1 import models_pb2

from bridge.workers_ai.model_rows import TASK, is_found, to_openrouter_row

LLAMA = models_pb2.Model(id="@cf/meta/llama", can_call_tools=True)


@pytest.mark.parametrize("task", [TASK["id"], TASK["name"], TASK["name"].upper()])
def test_a_task_is_found_by_its_id_and_by_its_name(task):
    assert is_found(LLAMA, {"task": task})
    assert not is_found(LLAMA, {"task": f"{task}s"})


@pytest.mark.parametrize("can_call_tools", [True, False])
def test_only_a_model_that_can_call_tools_is_said_to(can_call_tools):
    model = models_pb2.Model(id="@cf/meta/llama", can_call_tools=can_call_tools)
    assert ("tools" in to_openrouter_row(model)["supported_features"]) is can_call_tools
