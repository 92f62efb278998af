"""Platforms that packages are resolved for, beside this machine's own."""

import sys
from collections.abc import Sequence

from packaging.markers import Environment, default_environment
from packaging.tags import Tag, compatible_tags, cpython_tags

_OLDER = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def tags_of(platform: str | None) -> Sequence[Tag] | None:
    """Tags of the wheels that a platform takes, the best first; None for this machine's."""
    if platform is None:
        return None
    machine, newest = _parts(platform)
    names = []
    for minor in range(newest, 4, -1):
        names.append(f"manylinux_2_{minor}_{machine}")
        if minor in _OLDER:
            names.append(f"{_OLDER[minor]}_{machine}")
    names.append(f"linux_{machine}")
    version = sys.version_info[:2]
    interpreter = f"cp{version[0]}{version[1]}"
    return [
        *cpython_tags(version, platforms=names),
        *compatible_tags(version, interpreter, platforms=names),
    ]


def environment_of(platform: str | None) -> Environment | None:
    """What markers see on a platform; None for this machine."""
    if platform is None:
        return None
    machine, _ = _parts(platform)
    return {
        **default_environment(),
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": machine,
        "platform_release": "",
        "platform_version": "",
    }


def _parts(platform: str) -> tuple[str, int]:
    machine, _, minor = platform.partition("-manylinux_2_")
    return machine, int(minor)
