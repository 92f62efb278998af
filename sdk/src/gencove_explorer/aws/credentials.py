"""``python -m gencove_explorer.aws.credentials``: AWS credentials as JSON, for this machine's jobs.

See ``explorer_runner.stores.credentials``, which asks.
"""

import json
import sys
from typing import Any

from explorer_runner.stores.credentials import AGAIN
from gencove_explorer.aws.errors import may_pass, translate_errors


def find_credentials() -> dict[str, str] | None:
    """boto3's credentials as environment variables; None if it finds none. Raises ExecutorError."""
    with translate_errors("AWS credentials for containers"):
        facts = _ask()
    names = {
        "AWS_ACCESS_KEY_ID": "access_key_id",
        "AWS_SECRET_ACCESS_KEY": "secret_access_key",
        "AWS_SESSION_TOKEN": "token",
        "AWS_REGION": "region",
    }
    return {name: facts[fact] for name, fact in names.items() if facts[fact]} if facts else None


def _ask() -> dict[str, Any] | None:
    """boto3's credentials and region, by the names that jobs know them by; None if it finds none."""
    from boto3.session import Session

    session = Session()
    credentials = session.get_credentials()
    if credentials is None:
        return None
    frozen = credentials.get_frozen_credentials()
    return {
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "token": frozen.token,
        "region": session.region_name,
    }


def main() -> int:
    """Print what boto3 finds (variables, profiles, SSO, roles); AGAIN if it is worth asking again."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        facts = _ask()
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return AGAIN if may_pass(error) else 1
    if facts is None:
        sys.stderr.write("boto3 finds none here: set AWS_PROFILE, or run: aws configure (or aws sso login)\n")
        return 1
    sys.stdout.write(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
