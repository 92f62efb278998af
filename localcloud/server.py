"""``python -m localcloud.server``: moto's server with our Batch, a log of requests, and faults on demand.

Beside AWS's own there are, all of them POST with JSON but the first:

GET /_cloud/requests?after=N   what was asked since the Nth request: service, action, path, query, key, status
                               and the parameters that name what is touched: no contents, no secrets
/_cloud/faults                 {kind, times, and what it is for: service, action, key, path}; kinds are
                               throttle, error, drop (before), lose (the answer, after it was done);
                               of S3 also kms and refuse
/_cloud/reclaim                {jobId, lost, text}: a running job's machine is taken away, with these words
/_cloud/unstartable            {reason, times}: the next containers cannot be started
/_cloud/unseen                 {times}: the next containers that end cannot be looked at
/_cloud/forget                 {jobId}: as if it had ended a week ago
/_cloud/age                    {jobId, seconds}: as if it had been submitted earlier
/_cloud/violations             answers so far that AWS would not have given (see answers)
/_cloud/weather                how often what has happened by itself, with --weather (see weather)
/_cloud/credentials            what the credentials endpoint of a container answers
"""

import argparse
import html
import io
import json
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple

from localcloud import gaps
from localcloud.answers import SERVICES, violations, without_nulls
from localcloud.batch import Batch
from localcloud.consumables import NAMES as CONSUMABLE_REQUESTS
from localcloud.hosts import DockerHost, Host, ProcessHost
from localcloud.weather import Weather

_SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")

_BATCH = {
    name.lower(): name
    for name in (
        *("SubmitJob", "DescribeJobs", "ListJobs", "TerminateJob", "CancelJob", "RegisterJobDefinition"),
        *("DescribeJobDefinitions", "DescribeJobQueues", "DescribeComputeEnvironments"),
        *("CreateJobQueue", "CreateComputeEnvironment", *CONSUMABLE_REQUESTS),
    )
}

_TOLD = (
    *("jobQueue", "jobDefinition", "jobDefinitionName", "jobId", "tags", "containerProperties"),
    *("consumableResourceName", "consumableResource"),
    *("repositoryName", "logGroupName", "logStreamName", "RoleName", "Action"),
)
"""Parameters that the log keeps."""

_ANSWERS = {
    ("s3", "throttle"): ("503 Slow Down", "application/xml", "<Error><Code>SlowDown</Code></Error>"),
    ("s3", "error"): ("500 Internal", "application/xml", "<Error><Code>InternalError</Code></Error>"),
    ("s3", "kms"): (
        "403 Forbidden",
        "application/xml",
        "<Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::123456789012:user/ada is not "
        "authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:123456789012:key/1 because "
        "no identity-based policy allows the kms:Decrypt action</Message></Error>",
    ),
    ("s3", "refuse"): (
        "403 Forbidden",
        "application/xml",
        "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
    ),
    ("", "throttle"): ("429 Too Many", "application/json", '{"__type": "TooManyRequestsException"}'),
    ("", "error"): ("500 Internal", "application/json", '{"__type": "ServerException"}'),
}


class Cloud:
    """A WSGI application around moto's."""

    def __init__(self, inner: Any, batch: Batch, weather: Weather | None = None) -> None:
        self._inner = inner
        self._batch = batch
        self._weather = weather
        self._violations: list[str] = []
        self._requests: list[dict[str, Any]] = []
        self._faults: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_cloud/"):
            return self._manage(environ, start)
        asked = _describe(environ)
        with self._lock:
            self._requests.append(asked)
            fault = next((each for each in self._faults if _hits(each, asked)), None)
            if fault is not None:
                fault["times"] -= 1
                asked["fault"] = fault["kind"]
        if fault is None and self._weather is not None:
            kind = self._weather.fault(asked)
            fault = {"kind": kind} if kind else None
        if fault is None or fault["kind"] == "lose":
            answer = self._answer(environ, asked, start)
            if fault is None:
                return answer
            list(answer)
        elif fault["kind"] != "drop":
            status, kind, body = (
                _ANSWERS.get((asked["service"], fault["kind"])) or _ANSWERS["", fault["kind"]]
            )
            error = json.loads(body)["__type"] if body.startswith("{") else ""
            start(status, [("Content-Type", kind), ("x-amzn-ErrorType", error)])
            return [body.encode()]
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return []

    def _answer(
        self, environ: dict[str, Any], asked: dict[str, Any], start: Callable[..., Any]
    ) -> Iterable[bytes]:
        """The answer of moto or of our Batch, held against the service's model."""
        if asked["service"] not in SERVICES:
            answer: Iterable[bytes] = self._inner(environ, _noting(start, asked))
            return answer
        started: list[Any] = []
        body = b"".join(self._inner(environ, _noting(lambda *facts: started.append(facts), asked)))
        status, headers, *_ = started[-1]
        body = without_nulls(body)
        named = {name.lower(): value for name, value in headers}
        error = named.get("x-amzn-errortype", "")
        self._violations += violations(asked["service"], asked["action"], asked["status"], body, error)
        start(status, [*((k, v) for k, v in headers if k.lower() != "content-length"), _length(body)])
        return [body]

    def _credentials(self, start: Callable[..., Any]) -> Iterable[bytes]:
        """https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"""
        if self._weather is not None and self._weather.throttles_credentials():
            start("429 Too Many Requests", [("Content-Type", "text/plain")])
            return [b"Too many requests"]
        facts = {"AccessKeyId": "job", "SecretAccessKey": "job", "Token": "token"}
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({**facts, "Expiration": "2099-01-01T00:00:00Z"}).encode()]

    def _manage(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        action = environ["PATH_INFO"].removeprefix("/_cloud/")
        if action == "credentials":
            return self._credentials(start)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        asked = json.loads(body) if body else {}
        answer: Any = {}
        if action == "requests":
            after = int(parse_qs(environ["QUERY_STRING"]).get("after", ["0"])[0])
            answer = self._requests[after:]
        elif action == "violations":
            answer = {"violations": self._violations}
        elif action == "weather":
            answer = dict(self._weather.happened) if self._weather else {}
        elif action == "faults":
            with self._lock:
                self._faults.append(asked)
        elif action == "reclaim":
            job = self._batch.jobs[asked["jobId"]]
            words = {name: asked[name] for name in ("text",) if name in asked}
            answer = {"reclaimed": self._batch.workers.reclaim(job, lost=asked.get("lost", False), **words)}
        elif action == "unstartable":
            self._batch.unstartable += [asked["reason"]] * asked["times"]
        elif action == "unseen":
            self._batch.workers.unseen += asked["times"]
        elif action == "forget":
            self._batch.forget(asked["jobId"])
        elif action == "age":
            self._batch.age(asked["jobId"], asked["seconds"])
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]


def _describe(environ: dict[str, Any]) -> dict[str, Any]:
    """What a request asks for: service and action, as AWS names them where the request does."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    key, _, service = scope.groups() if scope else ("", "", "")
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    parameters: dict[str, Any] = {}
    if service == "s3":
        action = _s3_action(environ["REQUEST_METHOD"], path.strip("/"), query)
        if action == "DeleteObjects":
            keys = re.findall("<Key>(.*?)</Key>", _body(environ).decode())
            parameters = {"keys": [html.unescape(each) for each in keys]}
    else:
        parameters = _parameters(_body(environ))
        named = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        action = named or parameters.get("Action", environ["REQUEST_METHOD"])
        if service == "batch":
            action = _BATCH.get(path.rpartition("/")[2], path)
    asked = {"service": service, "action": action, "path": path, "query": query, "key": key}
    return {**asked, "parameters": parameters, "status": 0}


def _body(environ: dict[str, Any]) -> bytes:
    """What was sent, which can be read again."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _parameters(body: bytes) -> dict[str, Any]:
    """Of services that take JSON, and of those that take forms (IAM, STS, EC2)."""
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        asked = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
    return {name: asked[name] for name in _TOLD if name in asked}


def _s3_action(method: str, path: str, query: str) -> str:
    asked = parse_qs(query, keep_blank_values=True)
    if "/" not in path:
        return {"GET": "ListObjectsV2", "HEAD": "HeadBucket", "POST": "DeleteObjects"}.get(
            method, "CreateBucket"
        )
    if "uploads" in asked:
        return "CreateMultipartUpload"
    if "uploadId" in asked:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload"}.get(method, "AbortMultipartUpload")
    return f"{method.capitalize()}Object"


def _hits(fault: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether a fault is for this request: all that it names besides its kind is as asked."""
    names = fault.keys() & asked.keys()
    return fault["times"] > 0 and all(fault[name] == asked[name] for name in names)


def _noting(start: Callable[..., Any], asked: dict[str, Any]) -> Callable[..., Any]:
    def noted(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        asked["status"] = int(status.split()[0])
        return start(status, headers, *rest)

    return noted


def _length(body: bytes) -> tuple[str, str]:
    return "Content-Length", str(len(body))


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *arguments: object) -> None:
        pass  # there is a log of our own


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--disk", required=True, help="folder for what jobs mount of their host")
    parser.add_argument("--slots", type=int, default=4, help="how many jobs run at once")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds that a minute of timeouts takes")
    parser.add_argument("--endpoint", required=True, help="address of this server, for jobs")
    parser.add_argument("--network", help="Docker network of the jobs")
    parser.add_argument("--runtime", help="run jobs as processes, by this Python")
    parser.add_argument("--variable", action="append", default=[], help="NAME=VALUE of such processes")
    parser.add_argument("--weather", type=int, help="seed of trouble that comes by itself; needs --cases")
    parser.add_argument("--cases", type=Path, help="file of what AWS is known to answer")
    given = parser.parse_args()
    weather = Weather.of_cases(given.weather, given.cases) if given.weather is not None else None
    host: Host
    if given.runtime:
        host = ProcessHost(given.runtime, dict(each.split("=", 1) for each in given.variable))
    else:
        host = DockerHost(given.network)
    credentials = {
        "AWS_ENDPOINT_URL": given.endpoint,
        "AWS_ACCESS_KEY_ID": "job",
        "AWS_SECRET_ACCESS_KEY": "job",
    }
    if weather is not None:
        token = Path(given.disk, "token")  # which jobs that are processes can read
        token.parent.mkdir(parents=True, exist_ok=True)
        token.write_text("token")
        credentials = {
            "AWS_ENDPOINT_URL": given.endpoint,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{given.endpoint}/_cloud/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token.absolute()),
        }
    batch = Batch(
        host,
        slots=given.slots,
        region=given.region,
        variables=credentials,
        disk=os.path.abspath(given.disk),
        minute=given.minute,
        weather=weather,
    )
    batch.install()
    gaps.mend()
    os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")  # roles attach AWS's own
    app = Cloud(DomainDispatcherApplication(create_backend_app), batch, weather)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        run_simple(given.host, given.port, app, threaded=True, request_handler=_Handler)
    finally:
        batch.workers.close()


if __name__ == "__main__":
    main()
