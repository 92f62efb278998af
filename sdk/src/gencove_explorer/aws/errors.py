"""What boto3 raises, in words: what was wanted, what AWS says or what is missing, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from gencove_explorer.errors import ExecutorError

THROTTLED = ("TooManyRequestsException", "ThrottlingException", "Throttling", "SlowDown")
_BUSY = 429
REFUSED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")


class AwsError(ExecutorError):
    """What AWS answered instead of doing it."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class UnreachableError(ExecutorError):
    """No connection to a service of AWS could be made."""


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Turn botocore's errors into ExecutorError, AwsError where AWS answered: what was wanted, what to do."""
    from botocore import exceptions, parsers

    try:
        yield
    except exceptions.ClientError as error:
        code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        hint = "; docs/aws.md lists what your role needs" if code in REFUSED else ""
        raise AwsError(f"{what}: AWS says {code}: {message}{hint}", code) from error
    except exceptions.NoCredentialsError as error:
        raise ExecutorError(
            f"{what}: no AWS credentials were found: set AWS_PROFILE, or run: aws configure (aws sso login)"
        ) from error
    except exceptions.ProfileNotFound as error:
        raise ExecutorError(
            f"{what}: {error}: AWS_PROFILE names it; aws configure list-profiles shows those that there are"
        ) from error
    except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError) as error:
        raise UnreachableError(f"{what}: {error}") from error
    except exceptions.BotoCoreError as error:
        raise ExecutorError(f"{what}: {error}") from error
    except parsers.ResponseParserError as error:
        raise ExecutorError(f"{what}: what answered is not AWS, but a proxy, say: {error}") from error


def may_pass(error: Exception) -> bool:
    """Whether an error of botocore's is one of the network, or of a server that has a bad moment."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == _BUSY or error.response["Error"].get("Code", "") in THROTTLED
    if isinstance(error, exceptions.CredentialRetrievalError):
        return error.kwargs.get("provider") == "container-role"  # others run a program, or read a file
    passing = exceptions.ConnectionError | exceptions.HTTPClientError | exceptions.MetadataRetrievalError
    return isinstance(error, passing)
