#!/bin/sh
# JupyterLab on the loopback, with its token from a file: not from the command line, which all may read.
#
# JUPYTER_TOKEN_FILE   the token, one line
# JUPYTER_PORT         default 8888
set -eu
token=${JUPYTER_TOKEN_FILE:?"JUPYTER_TOKEN_FILE names the file with the token"}
[ -s "$token" ] || { echo "$token is missing or empty" >&2; exit 1; }

# A new home gets the examples; one that has the folder keeps what is in it.
[ -e "$HOME/examples" ] || cp -r /opt/notebook/examples "$HOME/examples"

JUPYTER_TOKEN=$(cat "$token")
export JUPYTER_TOKEN
exec jupyter-lab --no-browser --ip=127.0.0.1 --port="${JUPYTER_PORT:-8888}" --port-retries=0 \
    --ServerApp.root_dir="$HOME"
