#!/bin/bash
# Once a machine, by cloud-init: what prepares it runs now, and from now on at every start.
set -eEuo pipefail

# A machine without its guard or its disk would fail job after job, an array's all: better one that never joins. The
# agent waits for cloud-init, in which this runs, so it has not started; waiting for it here would be for ever.
keep_agent_away() {
    systemctl mask ecs.service
    systemctl stop --no-block ecs.service
    echo "explorer: this machine could not be prepared, so it gets no jobs: explorer-machine.service said why" >/dev/console
}
trap keep_agent_away ERR

systemctl daemon-reload
systemctl enable --now explorer-machine.service
