"""Models whose publishers say what their prompts are."""

from pathlib import Path

from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer

from service.catalog import load_catalog
from service.prompts.tokenizer import Chat
from tests.support.tokenizers import save_tokenizer

Turns = list[tuple[str, str]]
CATALOG = load_catalog()
LLAMA_2, MISTRAL = "@cf/meta/llama-2-7b-chat-fp16", "@cf/mistral/mistral-7b-instruct-v0.1"
CODE_LLAMA, LLAMA_3 = "@hf/thebloke/codellama-7b-instruct-awq", "@cf/meta/llama-3.1-8b-instruct"
SYSTEM, USER, ASSISTANT = "system", "user", "assistant"


def conversation(turns: Turns) -> pb.RunRequest:
    messages = [pb.Message(role=role, content=[pb.ContentPart(text=text)]) for role, text in turns]
    return pb.RunRequest(conversation=pb.Conversation(messages=messages))


def load(folder: Path, model_id: str, tokenizer: Tokenizer, own_template: str | None = None) -> Chat:
    """A checkpoint of a model of the catalog, without a chat template if none is given."""
    save_tokenizer(folder, tokenizer, own_template)
    return Chat.load(folder, chat_template=CATALOG[model_id].chat_template)
