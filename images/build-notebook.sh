#!/bin/sh
# Build the notebook image on a runner image, unless it is there.
#
#     images/build-notebook.sh explorer-notebook explorer-runner:0.1.0-py3.11 [TAG]     (make notebook calls it)
set -eu
cd "$(dirname "$0")/.."
. images/common.sh
repository=$1
runner=$2
wheels="dist/explorer_runner-$version-py3-none-any.whl dist/gencove_explorer-$version-py3-none-any.whl"
for each in $wheels; do
    [ -f "$each" ] || { echo "$each is missing: make dist" >&2; exit 1; }
done
# By its source: ids differ from machine to machine.
base=$(source_of "$runner")
[ -n "$base" ] || { echo "there is no image $runner: make image" >&2; exit 1; }

# shellcheck disable=SC2086
inside=$(contents $wheels)
source=$({ echo "$runner $base"; cat images/notebook/* requirements/notebook.txt examples/*.ipynb; echo "$inside"; } \
    | sha256sum | cut -d' ' -f1)
build_once "$repository:${3:-${runner##*:}}" "$source" --file images/notebook/Dockerfile \
    --build-arg "RUNNER_IMAGE=$runner"
