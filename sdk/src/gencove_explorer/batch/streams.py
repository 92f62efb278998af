"""Logs of jobs, read from CloudWatch."""

from typing import Any

from gencove_explorer.batch.aws import Aws, AwsError, errors


class StreamReader:
    """A log stream, from a time on; it may not be there yet."""

    def __init__(self, aws: Aws, group: str, stream: str, since: float) -> None:
        self._aws = aws
        self._asked: dict[str, Any] = {
            "logGroupName": group,
            "logStreamName": stream,
            "startFromHead": True,
            "startTime": max(0, int(since * 1000)),
        }

    def read(self) -> bytes:
        """What came since the last call; nothing while the stream is not there, or any more."""
        found: list[str] = []
        while True:
            try:
                with errors(f"the log {self._asked['logStreamName']}"):
                    page = self._aws.client("logs").get_log_events(**self._asked)
            except AwsError as error:
                if error.code == "ResourceNotFoundException":
                    break
                raise
            found += [each["message"] for each in page["events"]]
            # The last page is known by its token, which is the one that was sent.
            token = page["nextForwardToken"]
            if not page["events"] and token == self._asked.get("nextToken"):
                break
            self._asked["nextToken"] = token
            if not page["events"]:
                break
        return "".join(f"{line}\n" for line in found).encode()
