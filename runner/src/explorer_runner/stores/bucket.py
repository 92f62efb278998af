"""A bucket as obstore reads and writes it, asked with patience.

obstore is imported at the first request, never by merely naming a bucket: a process that has used
obstore must not fork (the child hangs), and the forker lives by forking.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from explorer_runner.errors import Unreachable
from explorer_runner.stores import faults
from explorer_runner.stores.credentials import Helper, find_helper
from explorer_runner.system.patience import Passing, Patience

if TYPE_CHECKING:
    from obstore.store import RetryConfig, S3Config
    from obstore.store import S3Store as Backend

_Result = TypeVar("_Result")

TIMEOUT_SECONDS = 30.0
"""For the answer to one request, its content included."""
_UPLOAD_SECONDS = 240.0
"""For which a part of an upload is sent again before all of it is: its signature holds for 15 minutes."""


class Bucket:
    """A bucket, or what is below a prefix of it, with whatever credentials there are."""

    def __init__(
        self,
        name: str,
        prefix: str = "",
        *,
        credentials: Callable[[], Any] | None = None,
        region: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._name = name
        self._prefix = prefix
        self._credentials = credentials
        self._region = region
        self._patience = patience or Patience()
        self._backends: dict[tuple[float, bool], Backend] = {}
        self._helper: Helper | None = None

    def ask(
        self,
        what: str,
        request: "Callable[[Backend], _Result]",
        *,
        timeout: float = TIMEOUT_SECONDS,
        parts: bool = False,
    ) -> _Result:
        """Make a request, and again while its failure may pass.

        ``what`` is asked for. ``parts``: the request is many, which are not to be made again for the sake of
        one. Raises NotFound, AlreadyExists, Unreachable, StoreError, and OSError where a local file fails.
        """

        def once() -> _Result:
            import obstore

            try:
                return request(self._open(timeout, parts))
            except (obstore.exceptions.BaseError, FileNotFoundError) as error:
                failure = faults.translate(error, what)
                if isinstance(failure, Passing) and failure.brief:
                    self._forget()
                raise failure from error

        try:
            return self._patience.call(what, once)
        except Unreachable as error:
            raise faults.given_up(error, what, self._patience.seconds) from error.__cause__

    def _open(self, timeout: float, parts: bool) -> "Backend":
        backend = self._backends.get((timeout, parts))
        if backend is None:
            backend = self._backends[timeout, parts] = self._open_as(timeout, parts)
        return backend

    def _forget(self) -> None:
        """What is opened again asks for credentials again."""
        self._backends, self._helper = {}, None

    def _open_as(self, timeout: float, parts: bool) -> "Backend":
        """Obstore's store of the bucket, as AWS's own variables say."""
        from obstore.store import S3Store as Backend

        if self._credentials is None and self._helper is None:
            self._helper = find_helper()
        provider: Any = self._credentials or self._helper
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        config: S3Config = {}
        if endpoint:
            config["endpoint"] = endpoint
        if self._region:
            config["region"] = self._region
        return Backend(
            self._name,
            prefix=self._prefix or None,
            config=config,
            client_options={
                "allow_http": bool(endpoint and endpoint.startswith("http://")),
                "timeout": timedelta(seconds=timeout),
            },
            retry_config=_tries(self._patience, parts),
            credential_provider=provider,
        )


def _tries(patience: Patience, parts: bool) -> "RetryConfig":
    """How obstore itself tries again: each pause is between the first and ``base`` times the one before.

    While it does nobody can be told, and no signal is heeded: so most of the patience is ours.
    """
    first = patience.first / 5
    return {
        "max_retries": 100 if parts else 6,
        "retry_timeout": timedelta(seconds=min(_UPLOAD_SECONDS, patience.seconds) if parts else 5.0),
        "backoff": {
            "init_backoff": timedelta(seconds=first),
            "max_backoff": timedelta(seconds=(100 if parts else 20) * first),
            "base": 3,
        },
    }
