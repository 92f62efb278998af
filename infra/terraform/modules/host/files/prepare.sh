#!/bin/bash
# Before each start of the notebook: settings, image and token, as the stack has them now. What it writes is root's, and
# mounted read-only: a home is its user's, who could lay links there.
set -euo pipefail
export AWS_DEFAULT_REGION=$REGION
user=1000 # as the image has it

settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
aws ssm get-parameter --name "$CONFIG_PARAMETER" --query Parameter.Value --output text >"$settings"
install -m 0644 "$settings" /etc/explorer/explorer.toml
install -d -o "$user" -g "$user" -m 0700 /srv/explorer/home /srv/explorer/reconcile

token=/srv/explorer/token
[ -s "$token" ] || (umask 077 && head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$token")
chown "$user" "$token"
chmod 0400 "$token"

# The newest image. After the first apply there is none yet: systemd tries again.
tag=$(aws ecr describe-images --repository-name "${REPOSITORY#*/}" --filter tagStatus=TAGGED \
    --query 'sort_by(imageDetails, &imagePushedAt)[-1].imageTags[0]' --output text)
if [ -z "$tag" ] || [ "$tag" = None ]; then
    echo "there is no image in $REPOSITORY yet: make up pushes it" >&2
    exit 1
fi
aws ecr get-login-password | docker login --username AWS --password-stdin "${REPOSITORY%%/*}"
docker pull --quiet "$REPOSITORY:$tag"
docker tag "$REPOSITORY:$tag" explorer-notebook
# The disk has room for a few. One that is in use stays until the next start.
docker images --filter before=explorer-notebook --format '{{.Repository}}:{{.Tag}}' "$REPOSITORY" \
    | xargs --no-run-if-empty docker rmi || true

# Only now does an address with the token lead anywhere. From a file, since arguments are everybody's to read. Whoever
# may read the parameter may open the notebook.
aws ssm put-parameter --name "$TOKEN_PARAMETER" --type SecureString --overwrite --value "file://$token" >/dev/null
