"""Opening stores on the user's side: with boto3's credentials (profiles, SSO, roles) for S3."""

import os
from collections.abc import Mapping
from typing import Any

from explorer_runner.patience import PEOPLE_SECONDS, Passing, Patience
from explorer_runner.stores import Store, open_store
from gencove_explorer.aws_errors import errors, may_pass
from gencove_explorer.progress import show_transfers


def open_configured_store(
    uri: str,
    variables: Mapping[str, str] | None = None,
    region: str | None = None,
    patience: float = PEOPLE_SECONDS,
) -> Store:
    """Open a store; ``variables`` stand in for the environment where AWS is concerned.

    ``patience``: for how many seconds S3 may be out of order; a line says so before they are over.
    """
    if not uri.startswith("s3://"):
        return open_store(uri)
    show_transfers()
    if variables is not None:
        os.environ.update({name: value for name, value in variables.items() if name.startswith("AWS_")})
    return open_store(uri, credentials=_provider(), region=region, patience=Patience(patience))


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
                    raise Passing(str(error)) from error
                raise

    with errors("AWS credentials for the store"):
        session = Session()
        return Provider(session) if session.get_credentials() else None
