#!/bin/bash
# Before each start of the notebook: settings, token and image, as the stack has them now.
set -euo pipefail
export AWS_DEFAULT_REGION=$REGION
homes=${HOMES:-/srv/explorer}
user=1000 # as the image has it

own() { install -d -o "$user" -g "$user" -m "$1" "$2"; }

settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
aws ssm get-parameter --name "$CONFIG_PARAMETER" --query Parameter.Value --output text >"$settings"
for each in home reconcile; do
    own 0700 "$homes/$each"
    own 0755 "$homes/$each/.config"
    own 0755 "$homes/$each/.config/explorer"
    install -o "$user" -g "$user" -m 0644 "$settings" "$homes/$each/.config/explorer/explorer.toml"
done

token=$homes/home/.jupyter-token
if [ ! -s "$token" ]; then
    (umask 077 && head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$token")
    chown "$user:$user" "$token"
fi
# From a file: arguments are everybody's to read. Whoever may read the parameter may open the notebook.
aws ssm put-parameter --name "$TOKEN_PARAMETER" --type SecureString --overwrite --value "file://$token" >/dev/null

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
