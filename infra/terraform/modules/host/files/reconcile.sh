#!/bin/bash
# The branch, and what its manifests say, in a container of its own with a home of its own.
set -euo pipefail

# A container outlives a docker run that systemd gave up on, and has the name still.
docker rm --force explorer-reconcile >/dev/null 2>&1 || true
exec docker run --rm --name explorer-reconcile --network=host --init --pull=never --log-opt max-size=10m \
    --cap-drop=ALL --security-opt=no-new-privileges \
    --env "AWS_REGION=$REGION" --env "AWS_DEFAULT_REGION=$REGION" \
    --mount type=bind,source=/srv/explorer/reconcile,target=/home/explorer \
    --mount type=bind,source=/etc/explorer/explorer.toml,target=/home/explorer/.config/explorer/explorer.toml,readonly \
    explorer-notebook pull-and-reconcile "$RECONCILE_REPOSITORY" "$RECONCILE_BRANCH" "$RECONCILE_FOLDER"
