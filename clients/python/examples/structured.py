"""Gets an instance of a pydantic model for an answer: `python structured.py "Describe a city" [HOST:PORT]`."""

import sys
from typing import Literal

from pydantic import BaseModel, Field
from runstream import Client


class City(BaseModel):
    """A city."""

    name: str = Field(max_length=30)
    continent: Literal["Africa", "America", "Asia", "Australia", "Europe"]
    is_capital: bool


def main(prompt: str, target: str) -> None:
    """Prints the fields; whatever the model's weights say, the answer has this form."""
    with Client(target) as client:
        city = client.run("@runstream/demo", prompt=prompt, response_format=City, temperature=0).parsed
    print(f"{city.name!r} lies in {city.continent}, capital: {city.is_capital}")


if __name__ == "__main__":
    prompt, target = [*sys.argv[1:], "127.0.0.1:50051"][:2]
    main(prompt, target)
