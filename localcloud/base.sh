#!/bin/sh
# Make a base image with Python from Debian's packages, for where no registry can be reached.
# It trusts what this machine trusts, lest a proxy of its network be in the way.
#
#     localcloud/base.sh explorer-base
set -eu
name=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
    --customize-hook="upload $bundle /etc/ssl/certs/ca-certificates.crt" \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/usr/share/doc "$1"/usr/share/man' \
    bookworm "$folder/base.tar"
docker import \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
    --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
    "$folder/base.tar" "$name" >/dev/null
