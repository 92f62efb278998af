"""boto3's clients, made when first needed."""

import os
import threading
from typing import Any

from gencove_explorer._version import __version__
from gencove_explorer.aws.errors import translate_errors
from gencove_explorer.errors import ExecutorError

_ATTEMPTS = 8
"""Of a request, with pauses that double up to 20 s: about half a minute of throttling is ridden out
(https://docs.aws.amazon.com/boto3/latest/guide/retries.html, mode "standard")."""


class AwsClients:
    """One client for each service, of the configured profile and region.

    ``region``: the jobs'; None: what AWS's own variables and profiles say.
    """

    def __init__(self, region: str | None = None) -> None:
        self._region = region
        self._clients: dict[tuple[str, int], Any] = {}
        self._session: Any = None
        self._making = threading.RLock()
        """Sessions must not make clients in two threads at once
        (https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions)."""

    def client(self, service: str, attempts: int = _ATTEMPTS) -> Any:
        """boto3's client of a service. Raises ExecutorError without a region or a profile."""
        if (service, attempts) in self._clients:
            return self._clients[service, attempts]
        with self._making:
            from botocore.config import Config

            config = Config(
                retries={"mode": "standard", "total_max_attempts": attempts},
                connect_timeout=10,
                read_timeout=60,
                user_agent_extra=f"explorer/{__version__}",
            )
            with translate_errors(f"a client of {service}"):
                self._clients[service, attempts] = self.session.client(service, config=config)
        return self._clients[service, attempts]

    @property
    def session(self) -> Any:
        if self._session is None:
            from boto3.session import Session

            with translate_errors("the AWS configuration"):
                self._session = Session(region_name=self._region)
        return self._session

    @property
    def region(self) -> str:
        """The region of the jobs. Raises ExecutorError if none is configured."""
        region = self._region or os.environ.get("AWS_REGION") or self.session.region_name
        if not region:
            raise ExecutorError(
                "no AWS region is configured: set EXPLORER_BATCH__REGION, AWS_REGION, or a region in your "
                "AWS profile"
            )
        return str(region)
