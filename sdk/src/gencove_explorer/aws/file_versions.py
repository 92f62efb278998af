"""What the addresses of files hold: a version for each, which is another when the content is.

On S3 it is the ETag and the size, by listing the folders that the files lie in. Of a file on this machine it
is the SHA-256, kept beside what the file system tells of the file, so that each is read once. Of a web
server's file it is what the server says changes with the content; where it says nothing, nothing is reused.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer_runner.errors import ExplorerError
from explorer_runner.system.folders import make_private
from gencove_explorer.aws.buckets import BucketLister
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.aws.errors import AwsError

_WORKERS = 16
_MOST_PAGES = 20
"""Of a folder on S3, a thousand objects each; what is not among them is asked for by itself."""
_ALONE = 4
"""Files of one folder on S3 that are asked for by themselves: more of them are listed."""


@dataclass(frozen=True)
class FileVersion:
    """What an address holds."""

    version: str
    """Another one when the content is; empty if that cannot be told."""
    changed: float = float("inf")
    """When it was last written, in seconds since 1970; infinity if that is not known."""


UNKNOWN = FileVersion("")


class FileVersions:
    """Looks up what addresses hold, each once."""

    def __init__(self, home: Path, aws: Callable[[], AwsClients]) -> None:
        self._digests = home / "digests"
        self._aws = aws
        self._known: dict[str, FileVersion] = {}

    def of(self, addresses: Iterable[str]) -> dict[str, FileVersion]:
        """The version of each address; UNKNOWN for what is not there or cannot be looked at."""
        wanted = set(addresses)
        missing = sorted(wanted - self._known.keys())
        on_s3 = [address for address in missing if address.startswith("s3://")]
        others = [address for address in missing if not address.startswith("s3://")]
        with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
            self._known.update(zip(others, pool.map(self._other, others), strict=True))
        self._known.update(self._of_s3(on_s3) if on_s3 else {})
        return {address: self._known.get(address, UNKNOWN) for address in wanted}

    def _other(self, address: str) -> FileVersion:
        if address.startswith(("http://", "https://")):
            return _of_web(address)
        try:
            return self._of_path(Path(address.removeprefix("file://")))
        except OSError:
            return UNKNOWN

    def _of_path(self, path: Path) -> FileVersion:
        facts = os.stat(path)
        if not os.path.isfile(path):
            return UNKNOWN  # a folder, which may hold anything
        stamp = [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_dev]
        name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
        kept = self._digests / f"{name}.json"
        digest = _kept_digest(kept, stamp)
        if digest is None:
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._keep(kept, {"stamp": stamp, "sha256": digest})
        return FileVersion(f"sha256:{digest}", max(facts.st_mtime, facts.st_ctime))

    def _keep(self, place: Path, facts: dict[str, Any]) -> None:
        make_private(str(self._digests))
        part = place.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(facts))
        part.replace(place)

    def _of_s3(self, addresses: list[str]) -> dict[str, FileVersion]:
        """Files that lie together by listing their folder, others one by one; all at once."""
        by_folder: dict[str, list[str]] = {}
        for address in addresses:
            by_folder.setdefault(address.rpartition("/")[0], []).append(address)
        lister, versions = BucketLister(self._aws()), dict[str, FileVersion]()
        listed = [folder for folder, own in by_folder.items() if len(own) > _ALONE]
        with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
            for found in pool.map(lambda folder: _list_folder(lister, folder, by_folder[folder]), listed):
                versions.update(found)
            alone = [address for address in addresses if address not in versions]
            versions.update(zip(alone, pool.map(lambda one: _ask_one(lister, one), alone), strict=True))
        return versions


def _kept_digest(place: Path, stamp: list[int]) -> str | None:
    """The digest of a file that was read before and has not been written since."""
    try:
        facts = json.loads(place.read_text())
        return str(facts["sha256"]) if facts["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _list_folder(lister: BucketLister, folder: str, addresses: list[str]) -> dict[str, FileVersion]:
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    wanted, found = set(addresses), dict[str, FileVersion]()
    try:
        for key, etag, size, changed in lister.list_versions(
            bucket, f"{prefix}/" if prefix else "", _MOST_PAGES
        ):
            address = f"s3://{bucket}/{key}"
            if address in wanted:
                found[address] = _version(etag, size, changed)
                if len(found) == len(wanted):
                    break
    except ExplorerError:
        return {}  # it may be that objects may be read and not listed
    return found


def _ask_one(lister: BucketLister, address: str) -> FileVersion:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    try:
        return _version(*lister.version(bucket, key))
    except AwsError:
        return UNKNOWN


def _version(etag: str, size: int, changed: float) -> FileVersion:
    return FileVersion(f"etag:{etag.strip(chr(34))}:{size}", changed)


def _of_web(address: str) -> FileVersion:
    from explorer_runner.files.web import WebFile
    from explorer_runner.system.patience import Patience

    try:
        version = WebFile(address, Patience()).version
    except ExplorerError:
        return UNKNOWN
    return UNKNOWN if version.startswith("unknown") else FileVersion(f"web:{version}")
