#!/bin/bash
# Stop the machine once nobody has used it for IDLE_HOURS: no cell has run, no terminal has said anything, no file of the
# home has changed, no job of the local executor has been open. A stopped machine costs its disks alone; make host-open
# starts it again.
set -euo pipefail
url=http://127.0.0.1:${JUPYTER_PORT:-8888}/api

# When it was last seen in use. /run is empty after each start, and the first look counts.
used=/run/explorer-used
[ -e "$used" ] || touch "$used"

# JupyterLab's list of kernels or terminals; nothing while it does not answer, which is a sign of nothing. An open tab
# asks for these lists all the time, so only what the kernels themselves did counts. The token is in no argument.
ask() {
    printf 'header = "Authorization: token %s"\n' "$(cat /srv/explorer/token)" \
        | curl --silent --fail --max-time 20 --config - "$url/$1"
}

for each in kernels terminals; do
    ask "$each" | jq -r '.[] | if .execution_state == "busy" then "now" else .last_activity end' || true
done | while read -r seen; do
    [ "$(date -d "$seen" +%s)" -le "$(stat -c %Y "$used")" ] || touch -d "$seen" "$used"
done

# Whoever writes runs nothing, but JupyterLab saves every two minutes. Hidden folders change by themselves.
[ -z "$(find /srv/explorer/home -name '.?*' -prune -o -type f -newer "$used" -print -quit)" ] || touch "$used"

# From the root folder, where the stack's settings hold alone: a project's may be wrong.
jobs=$(timeout 60 docker exec --workdir / explorer-notebook explorer executor status --json | jq .open_rounds) \
    || jobs=0
[ "$jobs" = 0 ] || touch "$used"

[ $(($(date +%s) - $(stat -c %Y "$used"))) -ge $((IDLE_HOURS * 3600)) ] || exit 0
# It is not used by that, but is not to be cut off either. While it runs, such a service is "activating".
[ "$(systemctl is-active explorer-reconcile.service)" != activating ] || exit 0
echo "idle for $IDLE_HOURS hours: stopping"
shutdown -h now
