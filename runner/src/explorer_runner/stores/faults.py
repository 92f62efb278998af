"""What obstore's errors mean: which of them are final, and which may pass."""

import re

from explorer_runner.errors import AlreadyExists, NotFound, StoreError
from explorer_runner.patience import Passing

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_CAUSE = re.compile(r'message: "([^"]+)"|(?:kind|source): (\w*TimedOut\w*)')
_BUSY = (408, 409, 425, 429)
"""409 is ConditionalRequestConflict: another request for the key is under way
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html)."""
_NOT_IMPLEMENTED = 501
_CODES = ("RequestTimeout", "NoSuchUpload", "SlowDown", "InternalError")
"""Of answers with 400 or 404 that may pass. NoSuchUpload: the upload was completed, and the answer lost."""
_EXPIRED = ("ExpiredToken", "TokenRefreshRequired")
_OURS = "External AWS credential provider: Passing: "
_CONTAINER, _MACHINE = "://169.254.170.2", "://169.254.169.254"
"""Addresses of credentials: of a container's role, and of a machine's, which a laptop does not have."""
_FINAL = ("redirect without LOCATION",)


def translate(error: Exception, what: str) -> Exception:
    """An error of obstore as one of ours, or as Passing; ``what`` was asked for."""
    text = f"{what}: {_message(error)}"
    if _may_pass(error):
        return Passing(text, brief=_passes_soon(error))
    if isinstance(error, FileNotFoundError):
        return NotFound(f"no {what}")
    if type(error).__name__ == "AlreadyExistsError":
        return AlreadyExists(f"{what}: it is there already")
    return StoreError(text)


def _message(error: Exception) -> str:
    """What an error of obstore says, without the innards that it adds but for the system's own words."""
    text, _, innards = str(error).partition("\n\nDebug source")
    cause = _CAUSE.search(innards) if text.endswith("error sending request") else None
    return f"{text} ({cause[1] or cause[2]})" if cause else text


def _may_pass(error: Exception) -> bool:
    text = str(error)
    status, code = _status(error), _CODE.search(text)
    if status:
        known = status in _BUSY or (status >= 500 and status != _NOT_IMPLEMENTED)
        return known or (code is not None and code[1] in _CODES) or _passes_soon(error)
    if type(error).__name__ == "UnauthenticatedError":
        return _OURS in text
    # No answer at all, half of one, or one that makes no sense.
    return type(error).__name__ == "GenericError" and not any(each in text for each in _FINAL)


def _passes_soon(error: Exception) -> bool:
    """Whether it is about credentials, which new ones may mend, if anything does."""
    text, status = str(error), _status(error)
    if status in _BUSY or status >= 500:
        return False
    # An answer to HEAD has no words: 400 may be anything.
    unexplained = status == 400 and "performing HEAD" in text
    asked = _MACHINE in text if status == 0 else _CONTAINER in text
    return unexplained or asked or any(f"<Code>{each}</Code>" in text for each in _EXPIRED)


def _status(error: Exception) -> int:
    """The status of the answer; 0 if there was none."""
    status = _STATUS.search(str(error).partition("\n\nDebug source")[0])
    return int(status[1]) if status else 0
