#!/bin/bash
# The disk for jobs, at /mnt/explorer: the machine's own NVMe disks if it has any, else the volume that came with it.
# Runs before the ECS agent starts, so no job sees the folder without the disk.
set -euo pipefail

mount_point=/mnt/explorer
mkdir -p "$mount_point"

# Instance store says so by its model; volumes of EBS are called "Amazon Elastic Block Store".
mapfile -t own < <(lsblk --noheadings --nodeps --paths --output NAME,MODEL | awk '/Instance Storage/ { print $1 }')
if [ "${#own[@]}" -gt 1 ]; then
    # Amazon's packages lie in S3, so this needs no way out.
    command -v mdadm >/dev/null || dnf install -y -q mdadm
    mdadm --create /dev/md/explorer --run --level=0 --raid-devices="${#own[@]}" "${own[@]}"
    disk=/dev/md/explorer
elif [ "${#own[@]}" -eq 1 ]; then
    disk=${own[0]}
else
    # Under Nitro the volume xvdb is an NVMe disk of another name; udev links it.
    disk=$(readlink -e /dev/xvdb || readlink -e /dev/sdb)
fi

blkid "$disk" >/dev/null || mkfs.xfs -q "$disk"
mountpoint -q "$mount_point" || mount -o noatime,nodev,nosuid "$disk" "$mount_point"
# As /tmp: each user's folders are its own.
chmod 1777 "$mount_point"
