#!/bin/sh
# Build the runner image. A tag is never overwritten: the same content is found again, other content refused.
#
#     images/build.sh explorer-runner 3.11 [TAG]       (make image calls it)
#
# BASE_IMAGE: an image with that Python; default: the official slim one.
set -eu
cd "$(dirname "$0")/.."
repository=$1
python=$2
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' runner/src/explorer_runner/_version.py)
image="$repository:${3:-$version-py$python}"
base=${BASE_IMAGE:-python:$python-slim}
wheel=dist/explorer_runner-$version-py3-none-any.whl
[ -f "$wheel" ] || { echo "$wheel is missing: make dist" >&2; exit 1; }

# What the image is made of; the base image counts by its name.
source=$({ echo "$base $python"; cat images/runner/Dockerfile requirements/runner.txt requirements/shell.txt "$wheel"; } \
    | sha256sum | cut -d' ' -f1)
there=$(docker image inspect --format '{{index .Config.Labels "explorer.source"}}' "$image" 2>/dev/null || true)
if [ "$there" = "$source" ]; then
    echo "$image is there already"
    exit 0
elif [ -n "$there" ]; then
    echo "$image is there with other content, and a tag is never overwritten: raise the version" \
        "(runner/src/explorer_runner/_version.py), or remove the image (docker rmi $image)" >&2
    exit 1
fi

# Machines of AWS Batch are linux/amd64; a laptop may not be.
platform=""
case $(uname -m) in x86_64 | amd64) ;; *) platform="--platform=linux/amd64" ;; esac
# shellcheck disable=SC2086
docker build $platform --file images/runner/Dockerfile --tag "$image" \
    --build-arg "BASE_IMAGE=$base" --build-arg "PYTHON=$python" \
    --build-arg "VERSION=$version" --build-arg "SOURCE=$source" .
