"""Fetches a model's checkpoint from the hub into the hub's own cache, where every program that uses it finds it."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from filelock import FileLock, Timeout
from huggingface_hub import HfApi, RepoFile, constants, get_token, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from tqdm import tqdm

from service.catalog import CatalogModel
from service.checkpoints.checksum import check_file
from service.checkpoints.errors import CheckpointError, HubUnreachableError, PullError
from service.checkpoints.files import needed_files
from service.checkpoints.memory import in_gb

_ON_THE_WAY = (403, 407, 502, 503, 504)
"""Statuses with which proxies refuse, or tell that they reach nobody."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class _File:
    """One file to fetch.

    Attributes:
        name: Its path in the repository.
        size_bytes: Its size.
        hash: Its sha256 if the hub keeps it as a large file, else the id of its git blob.
        blob: Where the cache keeps it.
        partial: Where it is while it is not whole.
    """

    name: str
    size_bytes: int
    hash: str
    blob: Path
    partial: Path

    @property
    def num_fetched_bytes(self) -> int:
        """How much of it is here."""
        found = next((path for path in (self.blob, self.partial) if path.exists()), None)
        return found.stat().st_size if found else 0


class Puller:
    """Fetches checkpoints.

    The hub's library would start a file over that an ended process has left half fetched, and compares no hashes; so
    the files are fetched here, with its request and retries, and it links them into a snapshot.

    Args:
        report: Gets lines for a person to read.
        endpoint: The hub's address.
        cache: The folder of the hub's cache.
    """

    def __init__(
        self,
        report: Callable[[str], None],
        endpoint: str = constants.ENDPOINT,
        cache: str = constants.HF_HUB_CACHE,
    ) -> None:
        self._report = report
        self._api = HfApi(endpoint=endpoint)
        self._endpoint = endpoint
        self._cache = Path(cache)

    def pull(self, model: CatalogModel) -> Path:
        """Fetches what is missing of a model's checkpoint; what an earlier pull left half done is continued.

        The token is the one of HF_TOKEN, or that which `hf auth login` has saved.

        Returns:
            The snapshot's folder, which is named for the commit.

        Raises:
            PullError: It can't be fetched.
        """
        if model.is_local:
            raise PullError(f"{model.id} is on this machine, {model.checkpoint}: there is nothing to fetch")
        if model.not_servable:
            raise PullError(f"{model.id} can't be served here: {model.not_servable}")
        with self._explained(model), self._lock(model):
            commit = self._api.model_info(model.checkpoint, revision=model.revision).sha
            assert commit is not None, "the hub names the commit of every revision"
            files = self._files(model, commit)
            missing = [file for file in files if not file.blob.exists()]
            self._check_room(missing)
            total = sum(file.size_bytes for file in files)
            self._report(f"{model.checkpoint} at commit {commit}: {len(files)} files, {in_gb(total)}")
            here = sum(file.num_fetched_bytes for file in files)
            with tqdm(total=total, initial=here, unit="B", unit_scale=True, delay=0.5) as bar:
                for file in sorted(missing, key=lambda file: file.size_bytes):
                    self._fetch(model.checkpoint, commit, file, bar)
            snapshot = self._link(model, [file.name for file in files])
            if snapshot.name != commit:
                raise PullError(f"{model.checkpoint} has another commit as {model.revision} since then: pull again")
            return snapshot

    def _files(self, model: CatalogModel, commit: str) -> list[_File]:
        tree = self._api.list_repo_tree(model.checkpoint, revision=commit, recursive=True)
        entries = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        blobs = self._cache / repo_folder_name(repo_id=model.checkpoint, repo_type="model") / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        return [_file(entries[name], blobs) for name in needed_files(entries, model.gguf_file)]

    def _check_room(self, missing: list[_File]) -> None:
        needed = sum(file.size_bytes - file.num_fetched_bytes for file in missing)
        free = shutil.disk_usage(self._cache).free
        if needed > free:
            raise PullError(
                f"{in_gb(needed)} are to be fetched, but {self._cache} has room for {in_gb(free)}: "
                "free some, or set HF_HUB_CACHE to a folder on another disk"
            )

    def _fetch(self, repo_id: str, commit: str, file: _File, bar: Any) -> None:
        bar.set_description_str(file.name)
        if file.num_fetched_bytes > file.size_bytes:
            file.partial.unlink()  # no continuation of it can be the file
        with file.partial.open("ab") as target:
            http_get(
                hf_hub_url(repo_id, file.name, revision=commit, endpoint=self._endpoint),
                target,
                resume_size=file.num_fetched_bytes,
                expected_size=file.size_bytes,
                headers=_headers(),
                tqdm_class=_Share(bar),  # type: ignore[arg-type]  # whatever can be called and makes a bar will do
            )
        try:
            check_file(file.partial, file.hash)
        except CheckpointError as error:
            file.partial.unlink()
            raise PullError(
                f"{file.name} of {repo_id} came with another hash than the hub tells, and was thrown away: pull again"
            ) from error
        file.partial.replace(file.blob)

    def _link(self, model: CatalogModel, names: list[str]) -> Path:
        snapshot = self._api.snapshot_download(
            model.checkpoint,
            revision=model.revision,
            cache_dir=self._cache,
            allow_patterns=names,
            tqdm_class=_Silent,
        )
        return Path(snapshot)

    def _lock(self, model: CatalogModel) -> FileLock:
        folder = self._cache / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        name = repo_folder_name(repo_id=model.checkpoint, repo_type="model")
        return FileLock(folder / f"{name}.pull.lock", blocking=False)

    @contextlib.contextmanager
    def _explained(self, model: CatalogModel) -> Iterator[None]:
        repo = f"{self._endpoint}/{model.checkpoint}"
        try:
            yield
        except GatedRepoError as error:
            raise PullError(
                f"{model.checkpoint} is gated: accept its licence at {repo}, then set HF_TOKEN to a token of the "
                "account that did"
            ) from error
        except RepositoryNotFoundError as error:
            raise PullError(
                f"there is no {repo}, or it is private: look at the catalog's checkpoint, or set HF_TOKEN"
            ) from error
        except RevisionNotFoundError as error:
            raise PullError(f"{repo} has no revision {model.revision!r}: look at the catalog's revision") from error
        except HfHubHTTPError as error:
            status = error.response.status_code
            kind = HubUnreachableError if status in _ON_THE_WAY else PullError
            raise kind(f"{repo} answered with status {status}: {error.server_message or 'try again'}") from error
        except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
            raise HubUnreachableError(
                f"{self._endpoint} can't be reached: {error}; a new pull goes on from here"
            ) from error
        except CheckpointError as error:
            raise PullError(f"{model.checkpoint} can't be used: {error}") from error
        except Timeout as error:
            raise PullError(f"{model.checkpoint} is being pulled by another process: wait for it") from error
        except ValueError as error:
            raise PullError(f"{model.checkpoint} can't be fetched: {error}") from error
        except OSError as error:
            raise PullError(_why_not_written(error, self._cache)) from error


def _file(entry: RepoFile, blobs: Path) -> _File:
    size_bytes, found = (entry.lfs.size, entry.lfs.sha256) if entry.lfs else (entry.size, entry.blob_id)
    return _File(entry.path, size_bytes, found, blobs / found, blobs / f"{found}.incomplete")


def _headers() -> dict[str, str]:
    """What a request for a file carries; sizes are those of the files only if nothing is compressed on the way."""
    token = get_token()
    return {"Accept-Encoding": "identity", **({"Authorization": f"Bearer {token}"} if token else {})}


def _why_not_written(error: OSError, cache: Path) -> str:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _NO_ROOM:
        reason += ": free some room, or set HF_HUB_CACHE to a folder on another disk; a new pull goes on from here"
    return f"{cache}: {reason}"


class _Share:
    """What `http_get` takes for its progress bar: adds to one that goes over all files."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def __call__(self, **settings: object) -> "_Share":
        return self

    def __enter__(self) -> "_Share":
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def update(self, num_bytes: int) -> None:
        """Moves the bar."""
        self._bar.update(num_bytes)


class _Silent(tqdm):  # type: ignore[misc]  # tqdm has no types
    """No progress bar."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "disable": True})
