#!/bin/sh
# Build the notebook image on a runner image. A tag is never overwritten, as in build.sh.
#
#     images/build-notebook.sh explorer-notebook explorer-runner:0.1.0-py3.11 [TAG]     (make notebook calls it)
set -eu
cd "$(dirname "$0")/.."
repository=$1
runner=$2
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' runner/src/explorer_runner/_version.py)
image="$repository:${3:-${runner##*:}}"
wheels="dist/explorer_runner-$version-py3-none-any.whl dist/gencove_explorer-$version-py3-none-any.whl"
for each in $wheels; do
    [ -f "$each" ] || { echo "$each is missing: make dist" >&2; exit 1; }
done
base=$(docker image inspect --format '{{.Id}}' "$runner" 2>/dev/null) \
    || { echo "there is no image $runner: make image" >&2; exit 1; }

# shellcheck disable=SC2086
source=$({ echo "$base"; cat images/notebook/* requirements/notebook.txt examples/*.ipynb $wheels; } | sha256sum | cut -d' ' -f1)
there=$(docker image inspect --format '{{index .Config.Labels "explorer.source"}}' "$image" 2>/dev/null || true)
if [ "$there" = "$source" ]; then
    echo "$image is there already"
    exit 0
elif [ -n "$there" ]; then
    echo "$image is there with other content, and a tag is never overwritten: raise the version" \
        "(runner/src/explorer_runner/_version.py), or remove the image (docker rmi $image)" >&2
    exit 1
fi
# As the runner image is, which build.sh made.
platform=""
case $(uname -m) in x86_64 | amd64) ;; *) platform="--platform=linux/amd64" ;; esac
# shellcheck disable=SC2086
docker build $platform --file images/notebook/Dockerfile --tag "$image" \
    --build-arg "RUNNER_IMAGE=$runner" --build-arg "SOURCE=$source" .
