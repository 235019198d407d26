"""Lets the model call a tool and answers the call: `python tools.py [HOST:PORT]`; needs pydantic."""

import sys
from typing import Any, Literal

from pydantic import BaseModel
from runstream import Client

MODEL = "@runstream/demo"


class Weather(BaseModel):
    """Tells the weather in a city."""

    city: Literal["Paris", "London", "New York"]

    def answer(self) -> str:
        """Answers a call of the tool."""
        return f"It is sunny in {self.city}."


def main(target: str) -> None:
    """Has one call made, and the answer written with its result."""
    messages: list[Any] = [{"role": "user", "content": "How is the weather in Paris?"}]
    with Client(target) as client:
        asked = client.run(MODEL, messages=messages, tools=[Weather], tool_choice="required", temperature=0)
        messages.append(asked.message)
        for call in asked.tool_calls:
            result = Weather.model_validate_json(call.arguments_json).answer()
            print(f"{call.name}({call.arguments_json}): {result}")
            messages.append({"role": "tool", "tool_call_id": call.id, "name": call.name, "content": result})
        print(client.run(MODEL, messages=messages, tools=[Weather], tool_choice="none", max_tokens=60).text)


if __name__ == "__main__":
    main([*sys.argv[1:], "127.0.0.1:50051"][0])
