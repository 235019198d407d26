"""Asks for a whole answer: `python run.py "where is new york?" [HOST:PORT]`."""

import sys

import grpc
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc


def run(address: str, prompt: str) -> str:
    """Answers a prompt; raises grpc.RpcError if the service does not."""
    request = pb.RunRequest(model="@runstream/demo", prompt=pb.Prompt(text=prompt))
    with grpc.insecure_channel(address) as channel:
        service = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        return service.Run(request, timeout=60).text


if __name__ == "__main__":
    prompt, address = [*sys.argv[1:], "127.0.0.1:50051"][:2]
    print(run(address, prompt))
