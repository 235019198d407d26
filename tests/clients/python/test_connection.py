"""A client reaches the service where it is told, asks again when it may, and keeps its token to itself."""

import asyncio

import grpc
import pytest
from runstream import AsyncClient, Client, UnreachableError
from runstream.connection import grpc_target, is_loopback

from tests.support.certificates import Authority, write_certificates
from tests.support.fake_service import DEMO, FakeService, running

TOKEN = "secret"


class Flaky(FakeService):
    """Is UNAVAILABLE a few times before it answers.

    Attributes:
        pushbacks: For how many milliseconds it says to wait, each time; negative for "do not ask again". With 0 gRPC's
            library never asks again, and waits for ever.
    """

    def __init__(self, *pushbacks: int) -> None:
        super().__init__()
        self.pushbacks = list(pushbacks)

    async def Run(self, request, context):  # noqa: N802
        """Answers once it has been unavailable often enough."""
        if self.pushbacks:
            self.requests.append(request)
            context.set_trailing_metadata((("grpc-retry-pushback-ms", str(self.pushbacks.pop(0))),))
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        return await super().Run(request, context)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("127.0.0.1:50051", "127.0.0.1:50051"),
        ("[::1]:50051", "[::1]:50051"),
        ("dns:///gpu:50051", "dns:///gpu:50051"),
        ("unix:/run/runstream.sock", "unix:/run/runstream.sock"),
        ("10.0.0.1:1,10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2"),
        (["10.0.0.1:1", "10.0.0.2:2"], "ipv4:10.0.0.1:1,10.0.0.2:2"),
        (["[fd00::1]:1", "[fd00::2]:2"], "ipv6:[fd00::1]:1,[fd00::2]:2"),
        (["gpu:50051"], "gpu:50051"),
    ],
)
def test_an_address_becomes_a_target_of_grpc(target, expected):
    assert grpc_target(target) == expected


@pytest.mark.parametrize("target", ["gpu", "http://gpu:50051", "gpu:0", "gpu:99999", "", "unix:", "gpu:50051/v1"])
def test_what_is_no_address_is_refused_with_what_to_give(target):
    with pytest.raises(ValueError, match="is no address: give host:port"):
        Client(target)


def test_digits_of_other_scripts_are_no_port():
    with pytest.raises(ValueError, match="is no address"):
        Client("gpu:٥٠٠٥١")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target": 5}, "^target is 5: give host:port"),
        ({"target": b"gpu:1"}, "^target is b'gpu:1'"),
        ({"target": [5]}, r"^target is \[5\]"),
        ({"target": []}, "^target is an empty list"),
        ({"tls": 1}, "^tls is of type int: give True"),
        ({"tls": 0}, "^tls is of type int: give True"),
        ({"tls": ["ca.pem"]}, "^tls is of type list"),
        ({"token": 5}, "^token is of type int"),
        ({"token": b"x"}, "^token is of type bytes"),
        ({"token": []}, "^token is of type list"),
        ({"max_attempts": "3"}, "^max_attempts is of type str"),
        ({"max_attempts": 2.5}, "^max_attempts is of type float"),
        ({"max_attempts": True}, "^max_attempts is of type bool"),
    ],
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_an_argument_of_the_wrong_type_is_refused_by_name(kind, settings, words):
    with pytest.raises((TypeError, ValueError), match=words):
        kind(**settings)


@pytest.mark.parametrize("targets", ["a:1,b:2", ["10.0.0.1:1", "[::1]:2"]])
def test_several_names_are_refused_with_what_to_give(targets):
    with pytest.raises(ValueError, match="dns:///name:port"):
        Client(targets)


@pytest.mark.parametrize(
    ("target", "is_local"),
    [
        ("127.0.0.1:1", True),
        ("localhost:1", True),
        ("dns:///localhost:1", True),
        ("[::1]:1", True),
        ("unix:/run/s", True),
        ("ipv4:127.0.0.1:1,127.0.0.2:1", True),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("gpu:1", False),
        ("localhost.example.org:1", False),
        ("dns://10.0.0.1/localhost:1", False),
    ],
)
def test_what_stays_on_this_machine_is_known(target, is_local):
    assert is_loopback(target) == is_local


def test_a_token_is_not_sent_in_clear_text_to_another_machine_unless_that_is_meant():
    with pytest.raises(ValueError, match="in clear text: give tls=True") as refused:
        Client("gpu:50051", token=TOKEN)
    assert TOKEN not in str(refused.value)
    Client("gpu:50051", token=TOKEN, tls=True).close()
    Client("gpu:50051", token=TOKEN, allow_plaintext_token=True).close()


def test_a_token_with_a_line_end_is_refused_and_not_shown():
    with pytest.raises(ValueError, match="line end") as refused:
        Client(token=f"{TOKEN}\n")
    assert TOKEN not in str(refused.value)


def test_nothing_that_a_traceback_shows_of_a_client_has_the_token():
    client = AsyncClient(token=TOKEN)
    assert TOKEN not in repr(vars(client))


@pytest.mark.parametrize("max_attempts", [0, 6])
def test_only_as_many_attempts_as_grpc_makes_are_taken(max_attempts):
    with pytest.raises(ValueError, match="max_attempts"):
        Client(max_attempts=max_attempts)


async def test_what_was_unavailable_is_asked_again_when_the_service_says():
    flaky = Flaky(1, 1, 1)
    async with running(flaky), AsyncClient(flaky.target) as client:
        assert (await client.run(DEMO, prompt="p")).text == "New York"
    assert len(flaky.requests) == 4


async def test_a_large_request_is_asked_again_too():
    flaky = Flaky(1)
    async with running(flaky), AsyncClient(flaky.target) as client:
        await client.run(DEMO, prompt="p" * 2 * 2**20)
    assert len(flaky.requests) == 2


@pytest.mark.parametrize(("pushback", "max_attempts"), [(-1, 4), (1, 1)])
async def test_what_must_not_be_asked_again_is_not(pushback, max_attempts):
    flaky = Flaky(pushback)
    async with running(flaky), AsyncClient(flaky.target, max_attempts=max_attempts) as client:
        with pytest.raises(UnreachableError, match="not yet"):
            await client.run(DEMO, prompt="p")
    assert len(flaky.requests) == 1


async def test_several_addresses_take_turns():
    one, other = FakeService(), FakeService()
    async with running(one), running(other), AsyncClient([one.target, other.target]) as client:
        while not (one.requests and other.requests):
            await client.run(DEMO, prompt="p")


async def test_nothing_there_is_an_error_at_once_unless_the_call_shall_wait(tmp_path):
    socket, fake = f"unix:{tmp_path}/s", FakeService()
    async with AsyncClient(socket, max_attempts=1) as client:
        with pytest.raises(UnreachableError):
            await client.run(DEMO, prompt="p")
        waiting = asyncio.create_task(client.run(DEMO, prompt="p", wait_for_ready=True))
        async with running(fake, socket):
            assert (await waiting).text == "New York"


async def test_tls_takes_the_path_or_the_bytes_of_an_authority(tmp_path):
    files, fake = write_certificates(tmp_path), FakeService()
    credentials = grpc.ssl_server_credentials([(files.key.read_bytes(), files.cert.read_bytes())])
    async with running(fake, credentials=credentials):
        for tls in (
            files.ca,
            str(files.ca),
            files.ca.read_bytes(),
            grpc.ssl_channel_credentials(files.ca.read_bytes()),
        ):
            async with AsyncClient(fake.target, tls=tls, token=TOKEN) as client:
                assert (await client.run(DEMO, prompt="p")).text == "New York"
            with Client(fake.target, tls=tls) as other:
                assert (await asyncio.to_thread(other.run, DEMO, prompt="p")).text == "New York"


async def test_a_certificate_of_nobody_known_is_not_trusted(tmp_path):
    files, fake = write_certificates(tmp_path), FakeService()
    credentials = grpc.ssl_server_credentials([(files.key.read_bytes(), files.cert.read_bytes())])
    async with running(fake, credentials=credentials), AsyncClient(fake.target, tls=True, max_attempts=1) as client:
        with pytest.raises(UnreachableError):
            await client.run(DEMO, prompt="p")
    assert not fake.requests


def test_a_file_without_a_certificate_is_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ValueError, match="tls holds no certificate"):
        Client(tls=tmp_path / "ca.pem")
    with pytest.raises(FileNotFoundError):
        Client(tls=tmp_path / "other.pem")


@pytest.fixture
async def mutual(tmp_path):
    """A service that asks for certificates, and where the files of its own and of the client's are."""
    files, callers, fake = write_certificates(tmp_path), Authority(tmp_path / "callers"), FakeService()
    pair = (files.key.read_bytes(), files.cert.read_bytes())
    async with running(fake, credentials=grpc.ssl_server_credentials([pair], callers.ca.read_bytes(), True)):
        yield fake, files.ca, callers.issue("me", "laptop.example")


async def test_a_certificate_is_shown_by_path_or_bytes(mutual):
    fake, ca, shown = mutual
    for cert, key in ((shown.cert, str(shown.key)), (shown.cert.read_bytes(), shown.key.read_bytes())):
        async with AsyncClient(fake.target, tls=ca, cert=cert, key=key) as client:
            assert (await client.run(DEMO, prompt="p")).text == "New York"
        with Client(fake.target, tls=ca, cert=cert, key=key) as other:
            assert (await asyncio.to_thread(other.run, DEMO, prompt="p")).text == "New York"


async def test_a_service_that_asks_for_a_certificate_is_told_of(mutual):
    fake, ca, _ = mutual
    async with AsyncClient(fake.target, tls=ca, max_attempts=1) as client:
        with pytest.raises(UnreachableError, match="or cert and key where it asks for a certificate"):
            await client.run(DEMO, prompt="p")
    assert not fake.requests


def test_certificates_that_can_not_be_shown_are_refused(tmp_path):
    shown = Authority(tmp_path).issue("me", "laptop.example")
    files = {"cert": shown.cert, "key": shown.key}
    for options, words in (
        ({**files}, "^cert is for TLS: give tls=True or the path of the server's CA, too$"),
        ({"cert": shown.cert, "tls": True}, "^cert and key belong together: give both, or neither$"),
        ({"key": shown.key, "tls": True}, "^cert and key belong together: give both, or neither$"),
        ({**files, "cert": shown.key, "tls": True}, "^cert holds no certificate: give PEM"),
        ({**files, "key": shown.cert, "tls": True}, "^key holds no private key: give PEM"),
        ({**files, "tls": grpc.ssl_channel_credentials()}, "^cert is for tls=True or certificates"),
        ({**files, "key": b"-----BEGIN ENCRYPTED PRIVATE KEY-----", "tls": True}, "^key has a password"),
    ):
        with pytest.raises(ValueError, match=words):
            Client("gpu:1", **options)
    with pytest.raises(TypeError, match="key is of type int: give its path or bytes"):
        Client("gpu:1", tls=True, cert=shown.cert, key=1)  # type: ignore[arg-type]
