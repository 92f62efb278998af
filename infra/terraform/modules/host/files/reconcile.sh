#!/bin/bash
# The branch, and what its manifests say, in a container of its own with a home of its own.
set -euo pipefail
homes=${HOMES:-/srv/explorer}
exec docker run --rm --name explorer-reconcile --network=host --init \
    --cap-drop=ALL --security-opt=no-new-privileges \
    --env "AWS_REGION=$REGION" --env "AWS_DEFAULT_REGION=$REGION" \
    --volume "$homes/reconcile:/home/explorer" \
    explorer-notebook pull-and-reconcile "$RECONCILE_REPOSITORY" "$RECONCILE_BRANCH" "$RECONCILE_FOLDER"
