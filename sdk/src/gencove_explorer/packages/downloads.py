"""Downloading one file of a package index: checked by its SHA-256, with the user's credentials."""

import base64
import hashlib
import netrc
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from explorer_runner.errors import PackageError
from explorer_runner.files.web import TIMEOUT_SECONDS, TRIES, attempt
from explorer_runner.system.patience import PERSON_SECONDS, Patience
from gencove_explorer.packages.indexes import Indexes

PATIENCE = Patience(PERSON_SECONDS)
_CHUNK_BYTES = 1 << 20


def download(
    url: str,
    target: Path,
    sha256: str | None,
    indexes: Indexes,
    advance: Callable[[int], None],
    patience: Patience = PATIENCE,
) -> str:
    """Fetch ``url`` into ``target``; returns its SHA-256. Raises PackageError, or OSError for a full disk.

    ``advance`` is told the bytes that came. Redirects to another host do not get the credentials.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise PackageError(f"{url} cannot be downloaded: use an http or https address")
    request = urllib.request.Request(url, headers={"User-Agent": "explorer"})  # noqa: S310  checked above
    credentials = _credentials(url, indexes)
    if credentials is not None:
        word = base64.b64encode(":".join(credentials).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {word}")
    context = ssl.create_default_context(
        cafile=indexes.environment.get("SSL_CERT_FILE", indexes.certificates)
    )
    digest = patience.call(
        url,
        lambda: attempt(lambda: _fetch(request, context, target, advance), lambda why: _failure(url, why)),
        at_least=TRIES,
    )
    if sha256 is not None and digest != sha256:
        raise PackageError(f"{url} is not what the index promised: its SHA-256 is {digest}, not {sha256}")
    return digest


def _failure(url: str, why: Exception) -> PackageError:
    if isinstance(why, urllib.error.HTTPError) and why.code in (401, 403):
        return PackageError(
            f"{url} is refused ({why.code}): put user and password of that host into ~/"
            ".netrc, or into the index's address in your uv or pip configuration"
        )
    return PackageError(f"{url} cannot be downloaded: {why}")


def _fetch(
    request: urllib.request.Request, context: ssl.SSLContext, target: Path, advance: Callable[[int], None]
) -> str:
    digest = hashlib.sha256()
    size = 0
    with (
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context) as answer,  # noqa: S310
        target.open("wb") as file,
    ):
        promised = answer.headers.get("Content-Length")
        while chunk := answer.read(_CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            advance(len(chunk))
    if promised is not None and size != int(promised):
        raise ConnectionError(f"the connection ended after {size:,} of {int(promised):,} bytes")
    return digest.hexdigest()


def _credentials(url: str, indexes: Indexes) -> tuple[str, str] | None:
    password = indexes.password(url)
    if password is not None:
        return password
    try:
        entry = netrc.netrc(indexes.environment.get("NETRC")).authenticators(urlsplit(url).hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None
    return (entry[0], entry[2] or "") if entry else None
