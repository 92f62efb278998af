"""Packages for another platform than this machine's: the one of the jobs' image."""

from pathlib import Path

import pytest

from explorer_runner.format.pylock import locked_wheels
from gencove_explorer.errors import PackageError
from gencove_explorer.packages import IMAGE_PLATFORM, lock
from gencove_explorer.packages.platforms import environment_of, tags_of


def test_the_tags_of_a_platform_are_older_and_older():
    names = list(dict.fromkeys(tag.platform for tag in tags_of("aarch64-manylinux_2_28") or ()))
    assert names[0] == "manylinux_2_28_aarch64"
    assert names.index("manylinux_2_17_aarch64") < names.index("manylinux2014_aarch64")
    assert names[-2:] == ["linux_aarch64", "any"]
    assert tags_of(None) is None


def test_markers_see_the_platform():
    environment = environment_of("aarch64-manylinux_2_28")
    assert environment is not None
    assert (environment["platform_machine"], environment["sys_platform"]) == ("aarch64", "linux")


def test_wheels_are_of_the_platform_that_is_asked_for(home: Path):
    for platform in ("aarch64-manylinux_2_28", IMAGE_PLATFORM):
        made = lock(["markupsafe==3.0.3"], home, platform)
        assert made is not None
        (wheel,) = locked_wheels(made)
        assert platform.partition("-")[0] in wheel.filename


def test_what_a_platform_has_no_wheel_of_is_refused_by_its_name(home: Path):
    with pytest.raises(PackageError, match="pywin32"):
        lock(["pywin32"], home, IMAGE_PLATFORM)
