"""AWS Batch: what AWS is asked, and what a container costs over an empty one."""

import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import JOBS, fresh_folder, fresh_home, result, timed

TESTS = Path(__file__).parent.parent / "tests"
STARTS = 15


def batch_requests() -> dict[str, Any]:
    """Requests by kind of a submission of 10,000 inputs, of a poll of it, and of one job.

    ``value`` is the seconds that the submission takes; the floor is one request with a client of its own.
    """
    with local_cloud() as cloud:
        from gencove_explorer.analysis import Analysis, JobDefinition

        one, _ = timed(lambda: _identity(cloud.endpoint))
        never = JobDefinition(cpu=1000)  # larger than any machine: nothing starts
        an = Analysis(function=_work, input=["x" * 200] * JOBS, job_definition=never)
        before = len(cloud.requests())
        seconds, _ = timed(an.run)
        submit = count(cloud, before, "submitter")
        before = len(cloud.requests())
        an.status()
        poll = count(cloud, before, "submitter")
        an.terminate_all()
        few = Analysis(function=_work, input=["x"] * 4)
        before = len(cloud.requests())
        few.run()
        few.wait_done()
        job = {kind: count / 4 for kind, count in count(cloud, before, "job").items()}
        return result("batch-requests", seconds, "s", one, submit=submit, poll=poll, job=job)


def container_start() -> dict[str, Any]:
    """Seconds by which a container calls its work function later than an empty Python in it runs.

    The floor is what the empty one takes, Docker's own start included.
    """
    with local_cloud():
        from gencove_explorer.analysis import Analysis
        from gencove_explorer.monitoring.lookup import find_analysis
        from gencove_explorer.session import Session
        from localcloud.images import build_runner, find_base, require_docker

        require_docker()
        image = build_runner(find_base())
        an = Analysis(function=_print_time)
        an.run()
        an.wait_done()
        stored = find_analysis(Session(), an.id)
        folder = fresh_folder()
        folder.chmod(0o1777)
        variables = {
            **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
            "EXPLORER_STORE": stored.store.uri,
            "EXPLORER_ANALYSIS": an.id,
            "EXPLORER_DIGEST": stored.rounds[0].payload,
            "EXPLORER_DISK": "/explorer",
        }
        command = ["docker", "run", "--rm", "--network=host", f"--volume={folder}:/explorer"]
        command += [f"--env={name}={value}" for name, value in variables.items() if "BUNDLE" not in name]
        empty, ours = [], []
        for attempt in range(2, STARTS + 2):
            empty.append(_seconds_to([*command, image, "python", "-c", "import time; print(time.time())"]))
            ours.append(_seconds_to([*command, f"--env=AWS_BATCH_JOB_ATTEMPT={attempt}", image]))
        floor = statistics.median(empty)
        return result("container-start", statistics.median(ours) - floor, "s", floor, starts=STARTS)


def _seconds_to(command: list[str]) -> float:
    """From a command's start to the time that it prints."""
    begin = time.time()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.strip()) - begin


@contextmanager
def local_cloud() -> Iterator[Any]:
    """A local cloud whose jobs are processes, and an environment that points at it."""
    sys.path.insert(0, os.fspath(TESTS))
    from explorer_runner.format.payload import python_minor
    from gencove_explorer.executors.host.container import default_tag
    from gencove_explorer.executors.host.runtime import find_runtime
    from localcloud.provision import provision, push
    from localcloud.run import serve_processes

    with fresh_home() as home, serve_processes(fresh_folder(), find_runtime(home), {}) as cloud:
        variables = provision(cloud.endpoint)
        push(cloud.endpoint, default_tag(python_minor()), "sha256:" + "0" * 64)
        before = dict(os.environ)
        os.environ.update(variables)
        try:
            yield cloud
        finally:
            for name in variables:
                os.environ.pop(name)
            os.environ.update({name: before[name] for name in variables if name in before})


def count(cloud: Any, after: int, key: str) -> dict[str, int]:
    asked = (f"{each['service']}:{each['action']}" for each in cloud.requests(after) if each["key"] == key)
    return dict(sorted(Counter(asked).items()))


def _identity(endpoint: str) -> None:
    import boto3

    boto3.client("sts", endpoint_url=endpoint).get_caller_identity()


def _work(ac: Any) -> None:
    ac.output.value("x", 1)


def _print_time(ac: Any) -> None:
    import time

    print(time.time())
