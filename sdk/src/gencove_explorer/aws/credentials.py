"""``python -m gencove_explorer.aws.credentials``: AWS credentials as JSON, for this machine's jobs.

See ``explorer_runner.stores.credentials``, which asks.
"""

import json
import sys

from explorer_runner.stores.credentials import AGAIN
from gencove_explorer.aws.errors import errors, may_pass


def find_credentials() -> dict[str, str] | None:
    """boto3's credentials as environment variables; None if it finds none. Raises ExecutorError."""
    from boto3.session import Session

    with errors("AWS credentials for containers"):
        session = Session()
        found = session.get_credentials()
        if found is None:
            return None
        frozen = found.get_frozen_credentials()
    named = {
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
        "AWS_REGION": session.region_name,
    }
    return {name: value for name, value in named.items() if value}


def main() -> int:
    """Print what boto3 finds (variables, profiles, SSO, roles); AGAIN if it is worth asking again."""
    from boto3.session import Session
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        session = Session()
        found = session.get_credentials()
        frozen = found.get_frozen_credentials() if found else None
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return AGAIN if may_pass(error) else 1
    if frozen is None:
        sys.stderr.write("boto3 finds none here: set AWS_PROFILE, or run: aws configure (or aws sso login)\n")
        return 1
    answer = {
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "token": frozen.token,
        "region": session.region_name,
    }
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
