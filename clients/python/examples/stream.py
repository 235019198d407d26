"""Prints an answer while it is generated: `python stream.py "Tell me a story" [HOST:PORT]`."""

import sys
from collections.abc import Iterator

import grpc
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc


def stream(address: str, prompt: str) -> Iterator[str]:
    """Yields an answer's text as it comes; closing the iterator ends the generation.

    Raises:
        grpc.RpcError: if the service does not answer, or stops halfway.
    """
    system = pb.Message(role="system", content=[pb.ContentPart(text="You are a friendly assistant")])
    user = pb.Message(role="user", content=[pb.ContentPart(text=prompt)])
    request = pb.RunRequest(model="@runstream/demo", conversation=pb.Conversation(messages=[system, user]))
    with grpc.insecure_channel(address) as channel:
        service = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        for part in service.RunStream(request, timeout=60):
            yield part.text


if __name__ == "__main__":
    prompt, address = [*sys.argv[1:], "127.0.0.1:50051"][:2]
    for text in stream(address, prompt):
        print(text, end="", flush=True)
    print()
