"""``python -m explorer_runner``: make one attempt at one job.

Each fact may be given as an argument or in the environment; AWS Batch sets the index and the
attempt itself (AWS_BATCH_JOB_ARRAY_INDEX, AWS_BATCH_JOB_ATTEMPT).
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence

from explorer_runner.attempt.supervised import AttemptRequest, run_job
from explorer_runner.errors import ExplorerError
from explorer_runner.format.names import parse_id
from explorer_runner.models import CACHE
from explorer_runner.system.folders import ensure_private
from explorer_runner.system.patience import JOB_SECONDS

DISK = "EXPLORER_DISK"
"""Environment variable: where the disk for scratch, package environments and the file cache is mounted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments and environment, run the job; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        parse_id(given.analysis)
        order = AttemptRequest(
            store=given.store,
            analysis=given.analysis,
            round=int(given.round),
            position=int(given.index),
            attempt=int(given.attempt),
            digest=given.digest,
            scratch=_claim(given.scratch),
            environments=_claim(given.environments),
            uv=given.uv or None,
            batch_job=given.batch_job or None,
            patience=float(given.patience),
        )
        if CACHE not in os.environ:
            os.environ[CACHE] = f"{_claim(_base())}/cache"
        return run_job(order, foreground=given.foreground)
    except ExplorerError as error:
        print(f"explorer-runner: {error}", file=sys.stderr)
        return 2


def _claim(path: str) -> str:
    """A folder that is this user's alone; so must ours be, if it lies there: its owner could swap it."""
    base = _base()
    try:
        if path.startswith(f"{base}/"):
            ensure_private(base)
        return ensure_private(path)
    except ExplorerError as error:
        disk = os.environ.get(DISK)
        where = f"; {DISK} says that this host's disk is mounted at {disk}" if disk else ""
        raise ExplorerError(f"{error}{where}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="explorer-runner", description="Make one attempt at one job of an analysis."
    )
    base = _base()
    _fact(parser, "--store", "EXPLORER_STORE", "s3://bucket/prefix or a folder")
    _fact(parser, "--analysis", "EXPLORER_ANALYSIS", "id of the analysis")
    _fact(parser, "--digest", "EXPLORER_DIGEST", "SHA-256 that the payload must have")
    _fact(parser, "--round", "EXPLORER_ROUND", "which submission of the analysis", default="0")
    _fact(parser, "--index", "AWS_BATCH_JOB_ARRAY_INDEX", "which job of the round", default="0")
    _fact(parser, "--attempt", "AWS_BATCH_JOB_ATTEMPT", "the how-manieth attempt", default="1")
    _fact(parser, "--scratch", "EXPLORER_SCRATCH", "folder for scratch folders", default=f"{base}/scratch")
    _fact(
        parser,
        "--environments",
        "EXPLORER_ENVIRONMENTS",
        "folder for package environments, shared by the jobs of a host",
        default=f"{base}/environments",
    )
    _fact(parser, "--uv", "EXPLORER_UV", "path of uv; default: beside Python, or on the PATH", default="")
    _fact(
        parser,
        "--patience",
        "EXPLORER_PATIENCE",
        "seconds for which a store that does not answer is asked again",
        default=str(JOB_SECONDS),
    )
    _fact(parser, "--batch-job", "AWS_BATCH_JOB_ID", "id of the AWS Batch job", default="")
    parser.add_argument("--foreground", action="store_true", help="end the job when standard input closes")
    return parser


def _base() -> str:
    """The folder for what this host keeps: a user's own, on the disk that EXPLORER_DISK names."""
    return os.path.join(os.environ.get(DISK) or tempfile.gettempdir(), f"explorer-{os.getuid()}")


def _fact(
    parser: argparse.ArgumentParser, option: str, variable: str, help: str, default: str | None = None
) -> None:
    value = os.environ.get(variable, default)
    parser.add_argument(
        option, default=value, required=value is None, help=f"{help} (environment: {variable})"
    )


if __name__ == "__main__":
    sys.exit(main())
