"""openai-agents with both of its models, unmodified, with nothing but its client's base address set."""

from typing import Any, Literal

import openai
import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from pydantic import BaseModel

QUESTION = "where is new york?"


class City(BaseModel):
    """A city."""

    city: Literal["New York"]
    is_big: bool


@function_tool
def weather(city: Literal["Paris"]) -> str:
    """Tells the weather."""
    return f"It is sunny in {city}."


@function_tool
def clock() -> str:
    """Tells the time."""
    return "noon"


@pytest.fixture(
    params=[(OpenAIResponsesModel, "/v1"), (OpenAIChatCompletionsModel, "/client/v4/accounts/me/ai/v1")],
    ids=["responses", "chat"],
)
async def agent(request, running_stack):
    """Makes agents of the demo model, by each of OpenAI's APIs."""
    api, base = request.param
    set_tracing_disabled(True)  # it would report to OpenAI
    client = openai.AsyncOpenAI(base_url=running_stack.url + base, api_key="any", max_retries=0)

    def make(model: str = "@runstream/demo", tool_choice: str | None = None, **fields: Any) -> Agent:
        settings = ModelSettings(temperature=0, tool_choice=tool_choice)
        return Agent("mine", model=api(model, client), model_settings=settings, **fields)

    yield make
    await client.close()


async def test_an_agent_answers_with_its_usage(agent):
    result = await Runner.run(agent(), QUESTION)
    assert "United States" in result.final_output
    assert result.context_wrapper.usage.output_tokens > 0


async def test_a_stream_joined_is_the_whole_answer(agent):
    streamed = Runner.run_streamed(agent(), QUESTION)
    raw = [event.data async for event in streamed.stream_events() if event.type == "raw_response_event"]
    texts = [event.delta for event in raw if event.type == "response.output_text.delta"]
    assert len(texts) > 1
    assert "".join(texts) == streamed.final_output == (await Runner.run(agent(), QUESTION)).final_output


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_an_output_type_is_kept(agent, is_streamed):
    result = await outcome(agent(output_type=City), is_streamed)
    assert result.final_output.city == "New York"


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize(("tool", "said"), [(weather, "It is sunny in Paris."), (clock, "noon")])
async def test_a_tool_is_called_and_its_result_answered(agent, tool, said, is_streamed):
    result = await outcome(agent(tools=[tool], tool_choice="required"), is_streamed)
    outputs = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    assert (outputs, bool(result.final_output)) == ([said], True)


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_tools_and_an_output_type_go_together(agent, is_streamed):
    result = await outcome(agent(tools=[weather], tool_choice="required", output_type=City), is_streamed)
    assert result.final_output.city == "New York"


async def test_an_error_is_raised_with_its_status(agent):
    with pytest.raises(openai.APIStatusError) as raised:
        await Runner.run(agent("@cf/none"), "hi")
    assert "No such model @cf/none" in raised.value.response.text


async def outcome(agent, is_streamed):
    """What a run came to."""
    if not is_streamed:
        return await Runner.run(agent, QUESTION)
    result = Runner.run_streamed(agent, QUESTION)
    async for _ in result.stream_events():
        pass
    return result
