"""Logs of jobs, read from CloudWatch."""

from typing import Any

from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.aws.errors import AwsError, translate_errors

_EMPTY_PAGES = 100
"""Of so many, one after the other, a read makes do until the next one."""


class CloudWatchLogReader:
    """A log stream, from a time on; it may not be there yet."""

    def __init__(self, aws: AwsClients, group: str, stream: str, since: float) -> None:
        self._aws = aws
        self._asked: dict[str, Any] = {
            "logGroupName": group,
            "logStreamName": stream,
            "startFromHead": True,
            "startTime": max(0, int(since * 1000)),
        }

    def read(self) -> bytes:
        """What came since the last call; nothing while the stream is not there, or any more."""
        messages: list[str] = []
        empty = 0
        while empty < _EMPTY_PAGES:
            try:
                with translate_errors(f"the log {self._asked['logStreamName']}"):
                    page = self._aws.client("logs").get_log_events(**self._asked)
            except AwsError as error:
                if error.code == "ResourceNotFoundException":
                    break
                raise
            events = page.get("events", ())
            messages += [event.get("message", "") for event in events]
            # An empty page need not be the last one: that is known by its token, which is the one that was
            # sent (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html).
            sent, token = self._asked.get("nextToken"), page.get("nextForwardToken")
            if token is None or token == sent:
                break
            self._asked["nextToken"] = token
            empty = 0 if events else empty + 1
        return "".join(f"{line}\n" for line in messages).encode(errors="backslashreplace")
