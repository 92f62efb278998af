#!/bin/bash
# The home volume at /srv/explorer. It is attached after the machine has started, and it outlives the machine.
set -euo pipefail

# Under Nitro a volume is an NVMe disk of any number; udev links it by its id, without the hyphen.
device=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${HOME_VOLUME/-/}
until [ -e "$device" ]; do sleep 2; done

# mkfs refuses a disk that holds anything, since it is not told to force.
blkid --probe "$device" >/dev/null || mkfs.xfs -q "$device"
mkdir -p /srv/explorer
mountpoint -q /srv/explorer || mount -o noatime,nodev,nosuid "$device" /srv/explorer
# Takes what room a larger volume gives.
xfs_growfs /srv/explorer >/dev/null
