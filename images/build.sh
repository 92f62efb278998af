#!/bin/sh
# Build the runner image, unless it is there.
#
#     images/build.sh explorer-runner 3.11 [TAG]       (make image calls it)
#
# BASE_IMAGE: an image with that Python; default: the official slim one.
set -eu
cd "$(dirname "$0")/.."
. images/common.sh
repository=$1
python=$2
base=${BASE_IMAGE:-python:$python-slim}
wheel=dist/explorer_runner-$version-py3-none-any.whl
[ -f "$wheel" ] || { echo "$wheel is missing: make dist" >&2; exit 1; }

# What the image is made of; the base image counts by its name.
inside=$(contents "$wheel")
source=$({ echo "$base $python"; cat images/runner/Dockerfile requirements/runner.txt requirements/shell.txt; echo "$inside"; } \
    | sha256sum | cut -d' ' -f1)
build_once "$repository:${3:-$version-py$python}" "$source" --file images/runner/Dockerfile \
    --build-arg "BASE_IMAGE=$base" --build-arg "PYTHON=$python" --build-arg "VERSION=$version"
