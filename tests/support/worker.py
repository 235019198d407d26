"""A web site as the documentation imagines it: a page, and a Worker that relays the model's stream to it."""

from aiohttp import ClientSession, web

from tests.support import seeds

PAGE = f"""<!doctype html>
<meta charset="utf-8">
<p id="el"></p>
<script>
const el = document.getElementById("el");
{seeds.EVENT_SOURCE}
</script>
"""


class Worker:
    """Serves the page and relays the stream.

    Attributes:
        relayed: the bytes that the page's stream had.
    """

    def __init__(self, bridge_url: str) -> None:
        self._run_url = f"{bridge_url}/client/v4/accounts/me/ai/run/{seeds.MODEL}"
        self.relayed = b""

    def app(self) -> web.Application:
        """The web site, with the documentation's path for the stream."""
        app = web.Application()
        app.add_routes([web.get("/", self.page), web.get("/worker-endpoint", self.relay)])
        return app

    async def page(self, request: web.Request) -> web.Response:
        """Answers with the page."""
        return web.Response(text=PAGE, content_type="text/html")

    async def relay(self, request: web.Request) -> web.StreamResponse:
        """Does what the documentation's Worker does: `new Response(stream, {headers: {"content-type": ...}})`."""
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        inputs = {"prompt": "where is new york?", "stream": True}
        async with ClientSession() as session, session.post(self._run_url, json=inputs) as stream:
            async for chunk in stream.content.iter_any():
                self.relayed += chunk
                await response.write(chunk)
        return response
