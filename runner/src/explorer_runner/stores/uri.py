"""Opening a store by its URI: a folder, or a prefix of a bucket. obstore is loaded for the latter alone."""

import os
from typing import TYPE_CHECKING, Any

from explorer_runner.errors import StoreError
from explorer_runner.stores.base import MAKE, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from explorer_runner.system.patience import Patience


def open_store(
    uri: str,
    *,
    credentials: "Callable[[], Any] | None" = None,
    region: str | None = None,
    absent: str = MAKE,
    patience: "Patience | None" = None,
) -> Store:
    """Open the store at ``s3://bucket/prefix`` or in a folder (a path or a ``file://`` URI).

    ``credentials`` is handed to obstore; without it the environment or the container's role decides.
    ``region`` is the bucket's; without it AWS's own variables say it. ``absent`` is for folders.
    ``patience`` is how long requests to S3 are tried again whose failure may pass; without it for a second
    or two.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme == "file":
        from explorer_runner.stores.folder import FolderStore

        return FolderStore(os.path.abspath(os.path.expanduser(rest if separator else uri)), absent)
    if scheme == "s3":
        from explorer_runner.stores.s3 import S3Store

        return S3Store(uri, credentials=credentials, region=region, patience=patience)
    raise StoreError(f"{uri!r} is not a store: use s3://bucket/prefix or a folder")
