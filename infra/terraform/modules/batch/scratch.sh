#!/bin/bash
# The disk for jobs, at /mnt/explorer: the machine's own NVMe disks if it has any, else the volume that came with it.
# Runs at every start of the machine, before the ECS agent: no job sees the folder without the disk, and what lies on it
# outlasts a reboot.
set -euo pipefail

mount_point=/mnt/explorer
mkdir -p "$mount_point"
# A later start comes here before udev may have seen all disks.
udevadm settle

# Instance store says so by its model; volumes of EBS are called "Amazon Elastic Block Store".
mapfile -t own < <(lsblk --noheadings --nodeps --paths --output NAME,MODEL | awk '/Instance Storage/ { print $1 }')
if [ "${#own[@]}" -gt 1 ]; then
    # Amazon's packages lie in S3, so this needs no way out.
    command -v mdadm >/dev/null || dnf install -y -q mdadm
    disk=/dev/md/explorer
    # After a reboot the array is there, by udev or by --assemble. Of any host, so that its name stays when the machine's changes.
    [ -b "$disk" ] || mdadm --assemble --quiet "$disk" "${own[@]}" ||
        mdadm --create "$disk" --run --homehost=any --level=0 --raid-devices="${#own[@]}" "${own[@]}"
elif [ "${#own[@]}" -eq 1 ]; then
    disk=${own[0]}
else
    # Under Nitro the volume xvdb is an NVMe disk of another name; udev links it.
    disk=$(readlink -e /dev/xvdb || readlink -e /dev/sdb) || {
        echo "explorer: no disk for jobs: neither an NVMe disk of the machine's own nor the template's volume /dev/xvdb" >&2
        exit 1
    }
fi

blkid "$disk" >/dev/null || mkfs.xfs -q "$disk"
mountpoint -q "$mount_point" || mount -o noatime,nodev,nosuid "$disk" "$mount_point"
# As /tmp: each user's folders are its own.
chmod 1777 "$mount_point"
