"""pydantic-ai, unmodified, with nothing but its provider's base address set."""

from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelSettings, NativeOutput, RunContext, ToolOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

QUESTION = "where is new york?"


class City(BaseModel):
    """A city."""

    city: Literal["New York"]
    is_big: bool


OUTPUTS: dict[str, Any] = {"by a call": ToolOutput(City), "by a schema": NativeOutput(City)}


BASES = {OpenAIResponsesModel: "/v1", OpenAIChatModel: "/client/v4/accounts/me/ai/v1"}
"""Where each of OpenAI's APIs is asked."""


@pytest.fixture(params=BASES)
def api(request):
    """Which of OpenAI's APIs an agent asks."""
    return request.param


@pytest.fixture
async def provider(api, running_stack):
    """Where agents find their models."""
    async with openai.AsyncOpenAI(base_url=running_stack.url + BASES[api], api_key="any") as client:
        yield OpenAIProvider(openai_client=client)


@pytest.fixture
def model(provider, api):
    """The demo model as an agent asks it."""
    return api("@runstream/demo", provider=provider, settings={"temperature": 0})


async def test_an_agent_answers(model):
    result = await Agent(model).run(QUESTION)
    assert "United States" in result.output
    assert result.usage.output_tokens > 0


async def test_a_stream_joined_is_the_whole_answer(model):
    async with Agent(model).run_stream(QUESTION) as result:
        texts = [text async for text in result.stream_text(delta=True, debounce_by=None)]
    assert ("".join(texts), len(texts) > 1) == ((await Agent(model).run(QUESTION)).output, True)


@pytest.mark.parametrize("way", OUTPUTS)
async def test_structured_output_fits_its_model(model, way):
    agent = Agent(model, output_type=OUTPUTS[way])
    whole = (await agent.run(QUESTION)).output
    async with agent.run_stream(QUESTION) as result:
        assert await result.get_output() == whole
    assert whole.city == "New York"


def calling_at_first(context: RunContext[Any]) -> ModelSettings:
    """Forces a call, then leaves the answer to the model."""
    return ModelSettings(tool_choice="required") if context.run_step == 1 else ModelSettings()


@pytest.mark.parametrize("name", ["weather", "clock"])
async def test_a_tool_is_called_and_its_result_answered(model, name):
    called: list[str] = []

    def weather(city: Literal["Paris"]) -> str:
        called.append(city)
        return f"It is sunny in {city}."

    def clock() -> str:
        called.append("clock")
        return "noon"

    tools: dict[str, Any] = {"weather": weather, "clock": clock}
    result = await Agent(model, tools=[tools[name]], model_settings=calling_at_first).run("What is it?")
    assert (called, bool(result.output)) == (["Paris" if name == "weather" else "clock"], True)


async def test_an_error_is_raised_with_its_status(provider, api):
    nobody = api("@cf/none", provider=provider)
    with pytest.raises(ModelHTTPError, match="No such model @cf/none"):
        await Agent(nobody).run("hi")
