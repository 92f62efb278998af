#!/bin/bash
# The ECS agent, before it starts. Runs at every start of the machine, so it leaves alone what is there already.
set -euo pipefail

# A job of Batch is in the network of its machine, where a limit of hops keeps nobody from the metadata: without this
# a job had the machine's role, and with it whatever the agent may ask for. The agent, and nothing of ours, is root.
guard=(OUTPUT --destination 169.254.169.254 --match owner ! --uid-owner 0 --jump REJECT)
iptables --wait --check "${guard[@]}" 2>/dev/null || iptables --wait --insert "${guard[@]}"

# Batch adds lines of its own to the same file; of two with one name the last one holds. A machine that starts with dozens
# of containers at once makes them wait for Docker, for longer than ECS's 4 and 3 minutes: DockerTimeoutError.
config=/etc/ecs/ecs.config
for line in ECS_DISABLE_PRIVILEGED=true ECS_IMAGE_PULL_BEHAVIOR=once \
    ECS_CONTAINER_CREATE_TIMEOUT=15m ECS_CONTAINER_START_TIMEOUT=15m; do
    grep --quiet --line-regexp --fixed-strings "$line" "$config" || echo "$line" >>"$config"
done
# Ended containers keep their disk for three hours by ECS's default. Where Batch has said less, that is better still.
grep --quiet ^ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION= "$config" || echo ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=10m >>"$config"
