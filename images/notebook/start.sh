#!/bin/sh
# JupyterLab on the loopback, with its token from a file, which it reads itself: not from the command line, which all may
# read, nor from the environment, which every kernel inherits.
#
# JUPYTER_TOKEN_FILE   the token, without a line's end
# JUPYTER_PORT         default 8888
set -eu
token=${JUPYTER_TOKEN_FILE:?"JUPYTER_TOKEN_FILE names the file with the token"}
[ -s "$token" ] || { echo "$token is missing or empty" >&2; exit 1; }

# A new home gets the examples; one that has the folder keeps what is in it.
[ -e "$HOME/examples" ] || cp -r /opt/notebook/examples "$HOME/examples"

# Kernels have an environment in the home, over this image's: what %pip installs there outlives the image. Its kernel is
# made last, and tells that it is whole.
minor=$(/opt/notebook/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
kernel=$HOME/.kernel-$minor
if [ ! -e "$kernel/share/jupyter/kernels/python3/kernel.json" ]; then
    /opt/notebook/bin/python -m venv --without-pip "$kernel"
    echo "/opt/notebook/lib/python$minor/site-packages" >"$kernel/lib/python$minor/site-packages/notebook.pth"
    "$kernel/bin/python" -m ipykernel install --prefix "$kernel" >/dev/null
fi
export JUPYTER_PATH="$kernel/share/jupyter" PATH="$kernel/bin:$PATH"

# Lab itself is the image's, whatever is installed over it.
exec /opt/notebook/bin/jupyter-lab --no-browser --ip=127.0.0.1 --port="${JUPYTER_PORT:-8888}" --port-retries=0 \
    --ServerApp.root_dir="$HOME"
