#!/bin/bash
# Stop the machine once nothing has happened on it for IDLE_HOURS: no cell runs, nobody types, no job of the local
# executor is open. A stopped machine costs its disks alone; make host-open starts it again.
set -euo pipefail
homes=${HOMES:-/srv/explorer}
url=http://127.0.0.1:${JUPYTER_PORT:-8888}/api
limit=$((IDLE_HOURS * 3600))

up=$(cut -d. -f1 "${UPTIME:-/proc/uptime}")
[ "$up" -ge "$limit" ] || exit 0

# Asking must not count as somebody's doing something (no_track_activity). The token is in no argument.
ask() {
    printf 'header = "Authorization: token %s"\n' "$(cat "$homes/home/.jupyter-token")" \
        | curl --silent --fail --max-time 20 --config - "$url/$1?no_track_activity=1"
}

# Where JupyterLab does not answer for so long, nobody works here either.
if status=$(ask status) && kernels=$(ask kernels); then
    [ "$(jq '[.[] | select(.execution_state == "busy")] | length' <<<"$kernels")" = 0 ] || exit 0
    last=$(date -d "$(jq -r .last_activity <<<"$status")" +%s)
    [ $(($(date +%s) - last)) -ge "$limit" ] || exit 0
    jobs=$(docker exec explorer-notebook explorer executor status --json | jq '.open_rounds')
    [ "$jobs" = 0 ] || exit 0
fi
echo "idle for $IDLE_HOURS hours: stopping"
shutdown -h now
