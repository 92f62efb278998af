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

# Once, with the file that the settings are mounted over: Docker would make it root's.
for each in home reconcile; do
    [ ! -d "/srv/explorer/$each" ] || continue
    new=/srv/explorer/.$each
    install -d -o "$user" -g "$user" -m 0700 "$new" "$new/.config" "$new/.config/explorer"
    install -o "$user" -g "$user" -m 0644 /dev/null "$new/.config/explorer/explorer.toml"
    mv "$new" "/srv/explorer/$each"
done

token=/srv/explorer/token
[ -s "$token" ] || (umask 077 && head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$token")
chown "$user" "$token"
chmod 0400 "$token"

# The image that make up named last: what was pushed last may be a colleague's, for another Python, or older. After the
# first apply none is named yet: systemd tries again.
parameter=${CONFIG_PARAMETER%/*}/notebook-image
tag=$(aws ssm get-parameter --name "$parameter" --query Parameter.Value --output text) || {
    echo "no image is named in $parameter yet: make up pushes one and names it" >&2
    exit 1
}
aws ecr get-login-password | docker login --username AWS --password-stdin "${REPOSITORY%%/*}"
docker pull --quiet "$REPOSITORY:$tag"
docker tag "$REPOSITORY:$tag" explorer-notebook
# The disk has room for a few. One that is in use stays until the next start.
docker images --format '{{.Repository}}:{{.Tag}}' "$REPOSITORY" | grep -vxF "$REPOSITORY:$tag" \
    | xargs --no-run-if-empty docker rmi || true

# Only now does an address with the token lead anywhere. From a file, since arguments are everybody's to read. Whoever
# may read the parameter may open the notebook.
aws ssm put-parameter --name "$TOKEN_PARAMETER" --type SecureString --overwrite --value "file://$token" >/dev/null
