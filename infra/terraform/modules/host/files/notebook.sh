#!/bin/bash
# JupyterLab in its container, on the machine's own network: so it reaches the machine's role in one hop, and is
# reached on the loopback alone.
set -euo pipefail
homes=${HOMES:-/srv/explorer}
exec docker run --rm --name explorer-notebook --network=host --init \
    --cap-drop=ALL --security-opt=no-new-privileges \
    --env "AWS_REGION=$REGION" --env "AWS_DEFAULT_REGION=$REGION" \
    --env JUPYTER_TOKEN_FILE=/home/explorer/.jupyter-token \
    --volume "$homes/home:/home/explorer" \
    explorer-notebook
