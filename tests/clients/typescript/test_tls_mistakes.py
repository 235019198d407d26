"""A TypeScript client whose TLS is not the service's is told what to change."""

import asyncio
import json

from tests.support.tls_mistakes import MISTAKES, mistakes

EXPECTED = dict(
    zip(
        MISTAKES,
        (
            "the connection broke before the answer was whole: the service has ended, or "
            "does it speak TLS? give tls or ca",
            "what answers there has no TLS: leave out tls and ca",
            "the certificate is for other hosts: give a target that it names",
            "the certificate is of no authority that is trusted: give the PEM of its authority as ca",
        ),
        strict=True,
    )
)
ASKED = '{ model: "@runstream/demo", prompt: "a" }'


async def test_what_to_change_is_told(ask, tmp_path):
    async with mistakes(tmp_path) as made:
        for name, each in made.items():
            options = {"target": each.target, "maxAttempts": 1, **({"ca": each.ca.read_text()} if each.ca else {})}
            told = await asyncio.to_thread(
                ask,
                f"const client = new rs.Client({json.dumps(options)});"
                f"const errors = [await name(() => client.run({ASKED})),"
                f" await name(async () => {{ for await (const _ of client.stream({ASKED})); }})];"
                "return errors.map(({ name, message, code }) => [name, message, code === rs.Code.Unavailable]);",
            )
            for kind, message, is_unavailable in told:
                assert (kind, is_unavailable) == ("UnreachableError", True)
                assert message.startswith(EXPECTED[name])
