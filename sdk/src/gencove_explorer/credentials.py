"""``python -m gencove_explorer.credentials``: AWS credentials as JSON, for this machine's jobs.

See ``explorer_runner.stores.credentials``, which asks.
"""

import json
import sys


def main() -> int:
    """Print what boto3 finds (variables, profiles, SSO, roles)."""
    from boto3.session import Session
    from botocore.exceptions import BotoCoreError

    try:
        session = Session()
        found = session.get_credentials()
        frozen = found.get_frozen_credentials() if found else None
    except BotoCoreError as error:
        sys.stderr.write(f"{error}\n")
        return 1
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
