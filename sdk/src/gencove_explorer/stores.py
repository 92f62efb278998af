"""Opening stores on the user's side: with boto3's credentials (profiles, SSO, roles) for S3."""

import os
from collections.abc import Mapping
from typing import Any

from explorer_runner.patience import PERSON_SECONDS, Patience
from explorer_runner.stores import Store, open_store
from gencove_explorer.aws_errors import errors
from gencove_explorer.progress import show_transfers


def open_configured_store(
    uri: str,
    variables: Mapping[str, str] | None = None,
    region: str | None = None,
    patience: Patience | None = None,
) -> Store:
    """Open a store; ``variables`` stand in for the environment where AWS is concerned.

    ``patience`` is with a store that does not answer; default: that of a person.
    """
    if not uri.startswith("s3://"):
        return open_store(uri)
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
    from obstore.auth.boto3 import Boto3CredentialProvider

    with errors("AWS credentials for the store"):
        session = Session()
        return Boto3CredentialProvider(session) if session.get_credentials() else None
