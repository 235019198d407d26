"""langchain-cloudflare, unmodified, with nothing but its base address set, on Cloudflare's routes and on OpenAI's."""

from typing import Any, Literal

import httpx
import pytest
from langchain_cloudflare import ChatCloudflareWorkersAI
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import PydanticToolsParser
from langchain_core.tools import tool
from pydantic import BaseModel

QUESTION = "where is new york?"


class City(BaseModel):
    """A city."""

    city: Literal["New York"]
    is_big: bool


@tool
def weather(city: Literal["Paris"]) -> str:
    """Tells the weather."""
    return f"It is sunny in {city}."


@tool
def clock() -> str:
    """Tells the time."""
    return "noon"


@pytest.fixture(params=["workers_ai", "openai_compatible"])
async def chat_with(request, running_stack):
    """Makes models as LangChain has them, by the route of one of its formats."""
    fields: dict[str, Any] = {"account_id": "me", "api_token": "any", "temperature": 0}
    fields |= {"base_url": f"{running_stack.url}/client/v4", "endpoint_format": request.param}
    made = []

    def make(model: str) -> ChatCloudflareWorkersAI:
        made.append(ChatCloudflareWorkersAI(**{**fields, "model": model}))
        return made[-1]

    yield make
    for chat in made:
        chat.client.close()
        await chat.async_client.aclose()


@pytest.fixture
def chat(chat_with):
    """The demo model."""
    return chat_with("@runstream/demo")


def test_it_answers_with_its_usage(chat):
    answer = chat.invoke(QUESTION)
    assert "United States" in answer.content
    assert answer.usage_metadata["total_tokens"] > answer.usage_metadata["output_tokens"] > 0


async def test_it_answers_asynchronously(chat):
    assert "United States" in (await chat.ainvoke(QUESTION)).content


def test_a_stream_joined_is_the_whole_answer(chat):
    texts = [chunk.content for chunk in chat.stream(QUESTION)]
    assert ("".join(texts), len(texts) > 1) == (chat.invoke(QUESTION).content, True)


@pytest.mark.parametrize(("choice", "name"), [("weather", "weather"), ("clock", "clock")])
def test_a_tool_that_is_chosen_is_called(chat, choice, name):
    (call,) = chat.bind_tools([weather, clock], tool_choice=choice).invoke("What is it?").tool_calls
    assert (call["name"], call["args"]) == (name, {"city": "Paris"} if name == "weather" else {})


def test_a_tools_result_is_answered(chat):
    messages: list[Any] = [HumanMessage("What is the weather in Paris?")]
    messages.append(chat.bind_tools([weather], tool_choice="weather").invoke(messages))
    messages += [weather.invoke(call) for call in messages[-1].tool_calls]
    assert messages[-1].content == "It is sunny in Paris."
    assert chat.bind_tools([weather]).invoke(messages).content


def test_structured_output_by_a_call_fits_its_model(chat):
    chain = chat.bind_tools([City], tool_choice="City") | PydanticToolsParser(tools=[City], first_tool_only=True)
    assert chain.invoke(QUESTION).city == "New York"


def test_structured_output_by_a_schema_fits_it(chat):
    response_format = {"type": "json_schema", "json_schema": City.model_json_schema()}
    answer = chat.bind(response_format=response_format).invoke(QUESTION)
    assert City.model_validate_json(answer.content).city == "New York"


def test_an_error_is_raised_with_its_status(chat_with):
    with pytest.raises(httpx.HTTPStatusError, match="400 Bad Request") as raised:
        chat_with("@cf/none").invoke("hi")
    assert raised.value.response.json()["errors"][0]["code"] == 5007
