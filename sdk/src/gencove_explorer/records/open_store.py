"""Opening stores on the user's side: with boto3's credentials (profiles, SSO, roles) for S3."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer_runner.stores.base import MAKE, RAISE, Store
from explorer_runner.stores.uri import open_store
from explorer_runner.system.folders import make_private
from explorer_runner.system.patience import PERSON_SECONDS, Passing, Patience
from gencove_explorer.aws.errors import may_pass, translate_errors
from gencove_explorer.utils.progress import show_transfers


def open_configured_store(
    uri: str,
    variables: Mapping[str, str] | None = None,
    region: str | None = None,
    absent: str = MAKE,
    patience: Patience | None = None,
) -> Store:
    """Open a store; ``variables`` stand in for the environment where AWS is concerned.

    ``absent`` is for folders; ``patience`` is with S3 where it does not answer; default: that of a person.
    """
    if not uri.startswith("s3://"):
        return open_store(uri, absent=absent)
    show_transfers()
    if variables is not None:
        os.environ.update({name: value for name, value in variables.items() if name.startswith("AWS_")})
    patience = patience or Patience(PERSON_SECONDS)
    return open_store(uri, credentials=_provider(), region=region, patience=patience)


def _provider() -> Any:
    """boto3's credentials for obstore; None where the environment holds them itself."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return None
    from boto3.session import Session
    from botocore.exceptions import BotoCoreError, ClientError
    from obstore.auth.boto3 import Boto3CredentialProvider

    class Provider(Boto3CredentialProvider):
        def __call__(self) -> Any:
            try:
                return super().__call__()
            except (BotoCoreError, ClientError) as error:
                if may_pass(error):
                    raise Passing(error) from error
                raise

    with translate_errors("AWS credentials for the store"):
        session = Session()
        return Provider(session) if session.get_credentials() else None


def open_store_of(home: Path, uri: str, region: str | None = None, patience: Patience | None = None) -> Store:
    """Open a store as settings have it: one that was made before is not made again where it is away."""
    absent = RAISE if _note(home, uri).exists() else MAKE
    return open_configured_store(uri, region=region, absent=absent, patience=patience)


def note_made(home: Path, store: Store) -> None:
    """Remember that a store in a folder is there: something was submitted to it, or found in it.

    One in the home folder itself needs no note: it comes and goes with that.
    """
    root = store.local_path("")
    note = _note(home, store.uri)
    if root is None or root.is_relative_to(home) or note.exists():
        return
    try:
        make_private(str(note.parent))
        note.write_text(f"{store.uri}\n")
    except OSError:
        pass  # a full disk: the next submission notes it, and this one says what it cannot write itself


def _note(home: Path, uri: str) -> Path:
    return home / "stores" / hashlib.sha256(uri.encode()).hexdigest()[:16]
