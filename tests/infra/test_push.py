"""images/push.sh, run for real: what it pushes, what it takes for pushed, what it refuses.

``aws`` and ``docker`` are stand-ins on PATH, with a repository of immutable tags: a digest in a file each.
"""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gencove_explorer.executors.host.container import default_tag
from stack.steps import ROOT

REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/demo-runner"
TAG = default_tag("3.11")
# What fails while a file is there (set -C) is what ECR refuses: a tag that exists.
AWS = r"""#!/bin/sh
set -C
echo "$*" >>"$STANDIN/log"
for each in "$@"; do
    case $each in imageTag=*) asked=$STANDIN/tags/${each#imageTag=} ;; esac
done
case "$1 $2" in
    "ecr get-login-password") echo password ;;
    "ecr describe-images")
        [ -z "${DENIED:-}" ] || { echo "An error occurred (AccessDeniedException): $DENIED" >&2; exit 254; }
        [ -e "$asked" ] || { echo "An error occurred (ImageNotFoundException)" >&2; exit 254; }
        case $* in
            *imageTags*) cd "$STANDIN/tags" && grep -lx "$(cat "$asked")" * | tr '\n' '\t' ;;
            *) cat "$asked" ;;
        esac ;;
    "ecr batch-get-image") cat "$asked" ;;
    "ecr put-image")
        [ "$5 $7" = "--image-tag --image-manifest" ] || exit 252
        [ -z "${MEANWHILE:-}" ] || echo "$MEANWHILE" >"$STANDIN/tags/$6"
        [ -z "${NO_TAG:-}" ] || exit 254
        echo "$8" >"$STANDIN/tags/$6" ;;
    *) exit 252 ;;
esac
"""
DOCKER = r"""#!/bin/sh
set -C
echo "docker $*" >>"$STANDIN/log"
case "$1" in
    image) echo "${MADE_OF:-}" ;;
    login) cat >/dev/null ;;
    tag | rmi) ;;
    push)
        [ -z "${MEANWHILE:-}" ] || echo "$MEANWHILE" >"$STANDIN/tags/${2##*:}"
        echo "$DIGEST" >"$STANDIN/tags/${2##*:}" ;;
    *) exit 1 ;;
esac
"""

Push = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def tags(tmp_path: Path) -> Path:
    """The folder of tags."""
    folder = tmp_path / "tags"
    folder.mkdir()
    return folder


@pytest.fixture
def push(tmp_path: Path, tags: Path) -> Push:
    """Start pushing an image of a source, whose build has a digest; what somebody else pushes just then.

    Further arguments are variables of the stand-ins: ``DENIED``, ``NO_TAG``.
    """
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"aws": AWS, "docker": DOCKER}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    def start(
        made_of: str, digest: str = "sha256:1", meanwhile: str = "", **more: str
    ) -> subprocess.Popen[str]:
        variables = {"STANDIN": str(tmp_path), "MADE_OF": made_of, "DIGEST": digest, "MEANWHILE": meanwhile}
        variables |= more
        return subprocess.Popen(
            [ROOT / "images/push.sh", REPOSITORY, "3.11"],
            env={**os.environ, **variables, "PATH": f"{programs}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def end(process: subprocess.Popen[str], code: int = 0) -> str:
    said, _ = process.communicate()
    assert process.returncode == code, said
    return said


def read(tags: Path) -> dict[str, str]:
    return {each.name: each.read_text().strip() for each in tags.iterdir()}


def test_an_image_has_a_tag_of_its_version_and_one_of_its_source(push: Push, tags: Path):
    assert f"{REPOSITORY}:{TAG} is pushed" in end(push("a" * 64))
    assert read(tags) == {TAG: "sha256:1", f"source-{'a' * 12}": "sha256:1"}
    assert f"{REPOSITORY}:{TAG} is there already" in end(push("a" * 64, "sha256:of another machine"))
    assert read(tags).keys() == {TAG, f"source-{'a' * 12}"}


def test_other_code_under_the_same_version_is_refused(push: Push, tags: Path, tmp_path: Path):
    end(push("a" * 64))
    (tmp_path / "log").unlink()
    said = end(push("b" * 64, "sha256:2"), code=1)
    assert re.search(
        rf"{TAG} is there with other content, and a tag is never overwritten: raise the ver", said
    )
    assert "something else" not in said
    assert set(read(tags).values()) == {"sha256:1"}
    assert "push" not in (tmp_path / "log").read_text()


def test_a_tag_without_a_source_was_not_pushed_by_the_script(push: Push, tags: Path):
    (tags / TAG).write_text("sha256:1\n")
    said = end(push("a" * 64), code=1)
    assert "It was pushed from another source, or by something else than this script" in said


def test_what_aws_refuses_is_told_and_is_not_taken_for_an_image_that_is_not_there(push: Push, tmp_path: Path):
    said = end(push("a" * 64, DENIED="you may not look"), code=1)
    assert said == "An error occurred (AccessDeniedException): you may not look\n"
    assert "docker push" not in (tmp_path / "log").read_text()


def test_a_tag_that_does_not_come_is_told(push: Push):
    said = end(push("a" * 64, NO_TAG="yes"), code=1)
    assert f"{REPOSITORY}:{TAG} is not there after the push" in said


def test_a_push_that_was_cut_off_is_ended_by_the_next_from_any_machine(push: Push, tags: Path):
    (tags / f"source-{'a' * 12}").write_text("sha256:1")
    end(push("a" * 64, "sha256:of another machine"))
    assert read(tags)[TAG] == "sha256:1"


def test_two_that_push_the_same_at_once_do_no_harm(push: Push, tags: Path):
    both = [push("a" * 64, "sha256:1"), push("a" * 64, "sha256:2")]
    for each in both:
        end(each)
    assert len(set(read(tags).values())) == 1
    for each in tags.iterdir():
        each.unlink()
    end(push("b" * 64, "sha256:1", meanwhile="sha256:2"))
    assert set(read(tags).values()) == {"sha256:2"}


def test_whoever_loses_to_other_code_is_told(push: Push, tags: Path):
    (tags / f"source-{'a' * 12}").write_text("sha256:1")
    said = end(push("a" * 64, "sha256:1", meanwhile="sha256:2"), code=1)
    assert "is there with other content" in said


def test_without_an_image_it_says_what_to_do(push: Push):
    assert "make image, or make notebook" in end(push(""), code=1)
