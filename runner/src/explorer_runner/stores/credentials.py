"""AWS credentials for jobs on a user's machine: asked of the Python that submitted them.

Jobs have no boto3, and obstore knows no profiles and no SSO. So where the environment holds no
credentials, a job on this machine asks the submitter's Python, which has boto3, again whenever they
are about to expire. Nothing secret is stored for it.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

from explorer_runner.errors import StoreError, Unreachable
from explorer_runner.system.patience import Passing

AGAIN = 75
"""Exit code of that Python when who gives credentials has a bad moment (EX_TEMPFAIL)."""
HELPER = "EXPLORER_CREDENTIALS"
"""Environment variable: the path of a Python that has gencove_explorer in it."""
_OTHERS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
_TTL = timedelta(minutes=10)


class Helper:
    """Credentials for obstore, from another Python's boto3."""

    def __init__(self, python: str) -> None:
        self._python = python
        self._first: dict[str, Any] | None = self._ask()
        region = self._first.get("region")
        self.config = {"region": region} if region else {}
        """obstore takes the region from here."""

    def __call__(self) -> dict[str, Any]:
        credentials, self._first = self._first or self._ask(), None
        return {
            "access_key_id": credentials["access_key_id"],
            "secret_access_key": credentials["secret_access_key"],
            "token": credentials["token"],
            "expires_at": datetime.now(UTC) + _TTL,
        }

    def _ask(self) -> dict[str, Any]:
        # -E: the job's PYTHONPATH is not the submitter's.
        command = [self._python, "-E", "-P", "-s", "-m", "gencove_explorer.aws.credentials"]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        except OSError as error:
            raise StoreError(
                f"no AWS credentials: {self._python} cannot be asked for them: {error}"
            ) from error
        if done.returncode == AGAIN:
            raise Passing(Unreachable(f"AWS credentials: {done.stderr.strip()}"))
        if done.returncode != 0:
            raise StoreError(f"no AWS credentials: {done.stderr.strip()}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def find_helper() -> Helper | None:
    """What gives credentials in this process; None where the environment itself does."""
    if any(os.environ.get(name) for name in _OTHERS):
        return None
    python = os.environ.get(HELPER)
    if not python and find_spec("gencove_explorer") is not None:
        python = sys.executable  # this is the submitter's Python itself
    return Helper(python) if python else None
