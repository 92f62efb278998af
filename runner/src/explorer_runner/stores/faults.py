"""What obstore's errors mean: which of them are final, and which may pass.

See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html for the codes of S3.
"""

import re

from explorer_runner.errors import AlreadyExists, NotFound, StoreError, Unreachable
from explorer_runner.system.patience import Passing, how_long

_INNARDS = "\n\nDebug source"
_NO_SUCCESS = "Server returned non-2xx status code: "
_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_CAUSE = re.compile(r'message: "([^"]+)"|(?:kind|source): (\w*TimedOut\w*)')
_BUSY = (408, 409, 425, 429)
_NOT_IMPLEMENTED = 501
_CODES = ("OperationAborted", "RequestTimeout", "NoSuchUpload", "SlowDown", "InternalError")
"""Of answers with other states. NoSuchUpload: the upload was completed, and the answer was lost."""
_EXPIRED = ("<Code>ExpiredToken</Code>", "<Code>TokenRefreshRequired</Code>")
_HELPER = "External AWS credential provider: Passing: "
_CONTAINER, _MACHINE = "://169.254.170.2", "://169.254.169.254"
"""Addresses of credentials: of a container's role, and of a machine's. A laptop has neither, and then
no credentials at all end in a request to the second."""
_REGION = "redirect without LOCATION"


def translate(error: Exception, what: str) -> Exception:
    """An error of obstore as one of ours, or as Passing with one of ours; ``what`` was asked for."""
    text = f"{what}: {_message(error)}"
    if _may_pass(error):
        cause = Unreachable(text)
        cause.__cause__ = error
        return Passing(cause, brief=_is_about_credentials(error))
    if isinstance(error, FileNotFoundError):
        return NotFound(f"no {what}")
    if type(error).__name__ == "AlreadyExistsError":
        return AlreadyExists(f"{what}: it is there already")
    return StoreError(text)


def given_up(error: Unreachable, what: str, seconds: float) -> Unreachable:
    """The error for who has waited so long, in words: what was tried, and what to do."""
    cause = error.__cause__
    if not seconds or not isinstance(cause, Exception) or type(cause).__name__ != "GenericError":
        return error  # a caller without patience tries again by itself
    if _is_about_credentials(cause):
        return error
    before, marker, answer = _message(cause).partition(_NO_SUCCESS)
    return Unreachable(
        f"{what}: the store does not answer as it should. It was asked again and again for "
        f"{how_long(seconds)}; at last: {f'HTTP status {answer}' if marker else before}. It may pass: do it "
        "again in some minutes. explorer doctor tells whether the store is reached from here"
    )


def _message(error: Exception) -> str:
    """What an error of obstore says, without the innards that it adds but for the system's own words."""
    text, _, innards = str(error).partition(_INNARDS)
    cause = _CAUSE.search(innards) if text.endswith("error sending request") else None
    return f"{text} ({cause[1] or cause[2]})" if cause else text


def _may_pass(error: Exception) -> bool:
    text = str(error).partition(_INNARDS)[0]
    status, code, kind = _status(text), _CODE.search(text), type(error).__name__
    if status:
        busy = status in _BUSY or (status >= 500 and status != _NOT_IMPLEMENTED)
        return busy or (code is not None and code[1] in _CODES) or _is_about_credentials(error)
    if kind == "UnauthenticatedError":
        return _HELPER in text
    # No answer, half of one, or one that makes no sense; but no credentials at all is no such trouble.
    return kind == "GenericError" and _REGION not in text and _MACHINE not in text


def _is_about_credentials(error: Exception) -> bool:
    """Whether new credentials may mend it, if anything does."""
    text = str(error).partition(_INNARDS)[0]
    status = _status(text)
    if status in _BUSY or status >= 500 or _MACHINE in text:
        return False
    # An answer to HEAD has no words: 400 may be anything.
    unexplained = status == 400 and text.endswith("400 Bad Request: ")
    refused = status > 0 and _CONTAINER in text
    return unexplained or refused or any(code in text for code in _EXPIRED)


def _status(text: str) -> int:
    """The status of the answer; 0 if there was none."""
    status = _STATUS.search(text)
    return int(status[1]) if status else 0
