"""A server that speaks as much of the hub's HTTP API as fetching a checkpoint needs."""

import asyncio
import hashlib
from typing import Any

from aiohttp import web

COMMIT = "c0ffee" + "0" * 34


def git_blob_id(content: bytes) -> str:
    """What git calls a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class FakeHub:
    """A hub with one repository, `someone/model`, whose main is `COMMIT`.

    Args:
        files: Its files by path. Safetensors are kept as large files, with a sha256; others as git blobs.

    Attributes:
        files: As given; a test may change them.
        gated: Whether files are only given to those that accepted the licence.
        cut_after: How many bytes of a large file an answer has before the connection breaks; None for all.
        is_held: Whether such an answer stays open instead.
        claimed: Sizes that the list of files tells otherwise.
        changed: Contents that are sent instead of those with the hash that the list of files tells.
        storage: Another address of this server, to which requests for large files are sent on; empty for none.
        storage_tokens: The authorization headers that came there.
        ranges: The range headers of requests for large files; None of one without.
        address: Where it listens, once it does.
        main: The commit that main is.
        later_commit: What main is once somebody has asked for it; empty for no change.
        has_cut: Set when an answer stopped after `cut_after` bytes.
        holds_rest: Whether a request for the rest of a large file gets no byte of it.
        has_asked_for_rest: Set when somebody has sent such a request.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.gated = False
        self.cut_after: int | None = None
        self.is_held = False
        self.claimed: dict[str, int] = {}
        self.changed: dict[str, bytes] = {}
        self.storage = ""
        self.storage_tokens: list[str | None] = []
        self.ranges: list[str | None] = []
        self.address = ""
        self.later_commit = ""
        self.main = COMMIT
        self.has_cut = asyncio.Event()
        self.holds_rest = False
        self.has_asked_for_rest = asyncio.Event()

    def app(self) -> web.Application:
        """The server."""
        app = web.Application()
        app.router.add_get("/api/models/{repo:[^/]+/[^/]+}/revision/{revision}", self._info)
        app.router.add_get("/api/models/{repo:[^/]+/[^/]+}/tree/{revision}", self._tree)
        app.router.add_get("/{repo:[^/]+/[^/]+}/resolve/{revision}/{name:.+}", self._resolve)
        app.router.add_get("/storage/{name:.+}", self._from_storage)
        return app

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.match_info["repo"] != "someone/model":
            return web.json_response({"error": "Repository not found"}, status=404, headers=_code("RepoNotFound"))
        if request.match_info["revision"] not in ("main", COMMIT, self.main):
            return web.json_response({"error": "Invalid rev id"}, status=404, headers=_code("RevisionNotFound"))
        return None

    async def _info(self, request: web.Request) -> web.Response:
        found = {"_id": "1", "id": "someone/model", "sha": self.main}
        self.main = self.later_commit or self.main
        return self._refusal(request) or web.json_response(found)

    async def _tree(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.json_response([self._entry(name) for name in self.files])

    def _entry(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        size = self.claimed.get(name, len(content))
        entry: dict[str, Any] = {"type": "file", "path": name, "size": size, "oid": git_blob_id(content)}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 134}
        return entry

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request):
            return refusal
        if self.gated and request.headers.get("Authorization") != "Bearer accepted":
            return web.json_response({"error": "gated"}, status=401, headers=_code("GatedRepo"))
        name = request.match_info["name"]
        content = self.changed.get(name, self.files[name])
        entry = self._entry(name)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{entry.get("lfs", entry)["oid"]}"'}
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(len(content))})
        if self.storage and name.endswith(".safetensors"):
            return web.Response(status=302, headers={**headers, "Location": f"{self.storage}/storage/{name}"})
        return await self._send(request, name, content, headers)

    async def _from_storage(self, request: web.Request) -> web.StreamResponse:
        self.storage_tokens.append(request.headers.get("Authorization"))
        name = request.match_info["name"]
        return await self._send(request, name, self.files[name], {})

    async def _send(
        self, request: web.Request, name: str, content: bytes, headers: dict[str, str]
    ) -> web.StreamResponse:
        start = request.http_range.start or 0
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        response.content_length = len(content) - start
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        await response.prepare(request)
        if name.endswith(".safetensors"):
            self.ranges.append(request.headers.get("Range"))
            if start:
                self.has_asked_for_rest.set()
            if start and self.holds_rest:
                await asyncio.Event().wait()
            if self.cut_after is not None:
                await self._cut(request, response, content[start : start + self.cut_after])
        await response.write(content[start:])
        return response

    async def _cut(self, request: web.Request, response: web.StreamResponse, content: bytes) -> None:
        await response.write(content)
        self.cut_after = None
        self.has_cut.set()
        if self.is_held:
            await asyncio.Event().wait()
        assert request.transport is not None
        request.transport.close()
        raise ConnectionResetError


def _code(name: str) -> dict[str, str]:
    return {"X-Error-Code": name}
