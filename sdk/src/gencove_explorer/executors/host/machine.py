"""This machine as a place where jobs run: its name in records, and what a job may ask of it."""

import os
from dataclasses import replace
from pathlib import Path

from explorer_runner.definition import JobDefinition
from gencove_explorer.errors import SubmissionError
from gencove_explorer.settings import Settings
from gencove_explorer.utils.log import get_logger

_log = get_logger(__name__)

POLL_SECONDS = (0.005, 2.0)
"""Shortest and longest pause between two looks at jobs of this machine."""
FOLLOW_SECONDS = (0.05, 0.5)
"""Likewise of looks at a log that is followed."""


def location_of(home: Path) -> str:
    """Host and home folder, as round records have them."""
    return f"{os.uname().nodename}:{home}"


def resolve_definition(definition: JobDefinition | None, settings: Settings) -> JobDefinition:
    """The definition to use: the default shrinks to this machine, one that was asked for must fit."""
    cpus, memory_mb = settings.cpus, settings.memory_mb
    if definition is None:
        default = JobDefinition()
        return JobDefinition(cpu=min(default.cpu, cpus), memory_mb=min(default.memory_mb, memory_mb))
    for name, requested, has, setting in (
        ("cpu", definition.cpu, cpus, "EXPLORER_CPUS"),
        ("memory_mb", definition.memory_mb, memory_mb, "EXPLORER_MEMORY_MB"),
    ):
        if requested > has:
            raise SubmissionError(
                f"job_definition asks for {name}={requested}, the local executor has {has}: it could never "
                f"start. Ask for less, or allow more ({setting})"
            )
    if definition.memory_mb_max is not None and definition.memory_mb_max > memory_mb:
        _log.info(
            "memory_mb_max=%d: the local executor has %d MiB, and jobs grow up to that",
            definition.memory_mb_max,
            memory_mb,
        )
        definition = replace(definition, memory_mb_max=memory_mb)
    if definition.gpu:
        raise SubmissionError(
            f"job_definition asks for gpu={definition.gpu}: the local executor hands out no GPUs; "
            "use AWS Batch"
        )
    missing = sorted(set(definition.secrets) - set(os.environ))
    if missing:
        raise SubmissionError(
            f"the secret {missing[0]!r} is not set here: on this machine its value is taken from the "
            f"environment variable of that name"
        )
    return definition
