"""Reflection, asked by a client that is not ours, buf, and by those whom a token keeps out."""

import asyncio
import base64
import json
import sys
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.support.running_service import config, error_info, run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUF = Path(sys.executable).with_name("buf")
VERSIONS = {"grpc-v1": "grpc.reflection.v1", "grpc-v1alpha": "grpc.reflection.v1alpha"}
SERVICES = {
    *("grpc.health.v1.Health", *(f"{package}.ServerReflection" for package in VERSIONS.values())),
    *("runstream.v1.BatchService", "runstream.v1.ModelService", "runstream.v1.TextGenerationService"),
}
TOKEN = "right"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded(catalog_file):
    """A service that has a token, and no model yet."""
    async with run_service(config(catalog_file, token=TOKEN, load="on-use")) as service:
        yield service


async def buf_curl(running, path: str, protocol: str, *arguments: str) -> tuple[int | None, str, str]:
    """The exit status, the output and the errors of `buf curl`, which knows nothing but what reflection tells it."""
    command = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--reflect-protocol", protocol, *arguments]
    url = f"http://127.0.0.1:{running.service.port}{path}"
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(str(BUF), *command, url, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def ask_reflection(
    running, package: str, *metadata: tuple[str, str], **question
) -> reflection_pb2.ServerReflectionResponse:
    """The answer to one question."""
    method = f"/{package}.ServerReflection/ServerReflectionInfo"
    parse = reflection_pb2.ServerReflectionResponse.FromString
    call = running.channel.stream_stream(method, lambda asked: asked.SerializeToString(), parse)(metadata=metadata)
    await call.write(reflection_pb2.ServerReflectionRequest(**question))
    answer = await call.read()
    call.cancel()
    return answer


@pytest.mark.parametrize("protocol", VERSIONS)
async def test_a_client_that_knows_nothing_lists_the_services(running, protocol):
    status, output, errors = await buf_curl(running, "", protocol, "--list-services")
    assert (status, errors) == (0, "")
    assert set(output.split()) == SERVICES


@pytest.mark.parametrize("protocol", VERSIONS)
async def test_a_client_that_knows_nothing_calls_a_method(running, protocol):
    data = ("--data", '{"pageSize": 1}')
    status, output, errors = await buf_curl(running, "/runstream.v1.ModelService/ListModels", protocol, *data)
    assert (status, errors) == (0, "")
    assert len(json.loads(output)["models"]) == 1


@pytest.mark.parametrize("protocol", VERSIONS)
async def test_a_client_that_knows_nothing_reads_the_details_of_a_status(running, protocol):
    data = ("--data", '{"model": "@test/unknown"}')
    _, _, errors = await buf_curl(running, "/runstream.v1.ModelService/GetModel", protocol, *data)
    (info,) = [
        error_details_pb2.ErrorInfo.FromString(base64.b64decode(it["value"] + "=="))
        for it in json.loads(errors)["details"]
    ]
    assert info.reason == "MODEL_NOT_FOUND"


@pytest.mark.parametrize("package", VERSIONS.values())
@pytest.mark.parametrize(
    "symbol", [*sorted(SERVICES), "runstream.v1.ErrorReason", "google.rpc.ErrorInfo", "google.rpc.Status"]
)
async def test_every_symbol_comes_with_all_files_that_it_needs(running, package, symbol):
    answer = await ask_reflection(running, package, file_containing_symbol=symbol)
    packed = answer.file_descriptor_response.file_descriptor_proto
    files = {file.name: file for file in map(descriptor_pb2.FileDescriptorProto.FromString, packed)}
    assert symbol.rpartition(".")[0] in {file.package for file in files.values()}
    assert {needed for file in files.values() for needed in file.dependency} <= set(files)


async def test_the_versions_differ_in_nothing_but_their_names(running):
    files = []
    for package in VERSIONS.values():
        answer = await ask_reflection(running, package, file_containing_symbol=f"{package}.ServerReflection")
        (packed,) = answer.file_descriptor_response.file_descriptor_proto
        files.append(str(descriptor_pb2.FileDescriptorProto.FromString(packed)))
    assert files[0] == files[1].replace("v1alpha", "v1")


@pytest.mark.parametrize("package", VERSIONS.values())
async def test_a_service_with_a_token_tells_its_contract_to_nobody_without(guarded, package):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask_reflection(guarded, package, list_services="")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert error_info(caught.value).reason == "UNAUTHENTICATED"
    answer = await ask_reflection(guarded, package, ("authorization", f"Bearer {TOKEN}"), list_services="")
    assert {service.name for service in answer.list_services_response.service} == SERVICES


async def test_a_client_with_the_token_lists_the_services(guarded):
    shown = ("--header", f"authorization: Bearer {TOKEN}", "--reflect-header", "*")
    assert (await buf_curl(guarded, "", "grpc-v1", "--list-services"))[0] != 0
    status, output, errors = await buf_curl(guarded, "", "grpc-v1", "--list-services", *shown)
    assert (status, errors, set(output.split())) == (0, "", SERVICES)


async def test_a_service_with_a_token_tells_everybody_its_health(guarded):
    assert (
        await guarded.health.Check(health_pb2.HealthCheckRequest())
    ).status == health_pb2.HealthCheckResponse.SERVING
    assert (await guarded.health.List(health_pb2.HealthListRequest())).statuses
