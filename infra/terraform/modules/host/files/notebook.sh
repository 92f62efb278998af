#!/bin/bash
# JupyterLab in its container, on the machine's own network: so it reaches the machine's role in one hop, and is
# reached on the loopback alone. The settings are the user's, which a project's explorer.toml adds to.
set -euo pipefail

# A container outlives a docker run that was killed, and has the name still.
docker rm --force explorer-notebook >/dev/null 2>&1 || true
exec docker run --rm --name explorer-notebook --network=host --init --pull=never --log-opt max-size=10m \
    --cap-drop=ALL --security-opt=no-new-privileges \
    --env "AWS_REGION=$REGION" --env "AWS_DEFAULT_REGION=$REGION" \
    --env JUPYTER_TOKEN_FILE=/run/notebook-token \
    --mount type=bind,source=/srv/explorer/token,target=/run/notebook-token,readonly \
    --mount type=bind,source=/srv/explorer/home,target=/home/explorer \
    --mount type=bind,source=/etc/explorer/explorer.toml,target=/home/explorer/.config/explorer/explorer.toml,readonly \
    explorer-notebook
