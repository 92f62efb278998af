"""Environment variables that a process reads when it starts: what is set later has no effect on it.

The dynamic loader, the C library (memory, locale, time zone) and Python itself read theirs once. So a job
whose definition names one needs a process that was started with it. What a library reads when it is imported
(OMP_NUM_THREADS) is not among them: that happens in the job.
"""

from collections.abc import Mapping

_NAMES = frozenset(["TZ", "TZDIR", "LANG", "LOCPATH", "GLIBC_TUNABLES"])
_PREFIXES = ("LC_", "LD_", "DYLD_", "PYTHON", "MALLOC_", "Malloc", "OBJC_", "OPENSSL_")
_LOAD_CODE = frozenset(["LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "PYTHONPATH"])
"""Code of the user's runs at the start of a process: it may read any variable there is (sitecustomize, a
preloaded allocator)."""


def read_at_start(variables: Mapping[str, str]) -> dict[str, str]:
    """Those of a job's variables that must be there when its process starts."""
    early = {name: variables[name] for name in names_read_at_start(variables)}
    return early if _LOAD_CODE.isdisjoint(early) else dict(variables)


def names_read_at_start(variables: Mapping[str, str]) -> list[str]:
    """Their names, without those that only code of the user's could read then."""
    return sorted(name for name in variables if name in _NAMES or name.startswith(_PREFIXES))


def explain(variables: Mapping[str, str], message: str) -> str:
    """Why Python did not start with these variables, from what it ``said``, and what to do about it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()] or ["it said nothing"]
    line = next((line for line in lines if line.startswith("Fatal Python error")), lines[-1])
    names = ", ".join(names_read_at_start(variables))
    return (
        f"Python does not start with the job's environment variables ({names}): {line}. Leave the one at "
        "fault out of JobDefinition(environment=...), or give it another value"
    )


def are_missing(variables: Mapping[str, str], started_with: Mapping[str, str]) -> bool:
    """Whether a process that was ``started_with`` some variables has not read these as they are."""
    return any(started_with.get(name) != variables[name] for name in names_read_at_start(variables))
