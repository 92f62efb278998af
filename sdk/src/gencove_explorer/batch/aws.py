"""boto3's clients, made when first needed, and their errors in words."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gencove_explorer._version import __version__
from gencove_explorer.errors import ExecutorError

_ATTEMPTS = 8
"""Of a request, with pauses that double up to 20 s: about half a minute of throttling is ridden out
(https://docs.aws.amazon.com/boto3/latest/guide/retries.html, mode "standard")."""

_REFUSED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")


class Aws:
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
            with errors(f"a client of {service}"):
                self._clients[service, attempts] = self.session.client(service, config=config)
        return self._clients[service, attempts]

    @property
    def session(self) -> Any:
        if self._session is None:
            from boto3.session import Session

            with errors("the AWS configuration"):
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


class AwsError(ExecutorError):
    """What AWS answered instead of doing it."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class UnreachableError(ExecutorError):
    """No connection to a service of AWS could be made."""


@contextmanager
def errors(what: str) -> Iterator[None]:
    """Turn botocore's errors into ExecutorError, AwsError where AWS answered: what was wanted, what to do."""
    from botocore import exceptions, parsers

    try:
        yield
    except exceptions.ClientError as error:
        code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        hint = "; docs/aws.md lists what your role needs" if code in _REFUSED else ""
        raise AwsError(f"{what}: AWS says {code}: {said}{hint}", code) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise ExecutorError(
            f"{what}: no AWS credentials were found: set AWS_PROFILE, or run: aws configure (aws sso login)"
        ) from error
    except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError) as error:
        raise UnreachableError(f"{what}: {error}") from error
    except exceptions.BotoCoreError as error:
        raise ExecutorError(f"{what}: {error}") from error
    except parsers.ResponseParserError as error:
        raise ExecutorError(f"{what}: what answered is not AWS, but a proxy, say: {error}") from error
