#!/bin/bash
# The ECS agent, before it starts. Batch adds lines of its own to the same file.
set -euo pipefail

# A job of Batch is in the network of its machine, where a limit of hops keeps nobody from the metadata: without this
# a job had the machine's role, and with it whatever the agent may ask for. The agent, and nothing of ours, is root.
iptables --wait --insert OUTPUT --destination 169.254.169.254 --match owner ! --uid-owner 0 --jump REJECT

cat >>/etc/ecs/ecs.config <<'CONFIG'
ECS_DISABLE_PRIVILEGED=true
ECS_IMAGE_PULL_BEHAVIOR=once
CONFIG
