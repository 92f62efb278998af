#!/bin/sh
# Push an image of this version to its repository, unless its tag is there: tags are never overwritten.
#
#     images/push.sh <account>.dkr.ecr.<region>.<domain>/<name> 3.11       (make image-push and notebook-push call it)
set -eu
cd "$(dirname "$0")/.."
. images/common.sh
repository=$1
tag=$version-py$2
registry=${repository%%/*}
name=${repository#*/}
region=$(echo "$registry" | cut -d. -f4)
[ -n "$region" ] || { echo "$repository is no repository in ECR" >&2; exit 1; }

command -v aws >/dev/null || { echo "the AWS CLI, version 2, is not installed: it logs in to $registry" >&2; exit 1; }
# The profile's region may be another one.
export AWS_REGION="$region" AWS_DEFAULT_REGION="$region"

if aws ecr describe-images --repository-name "$name" --image-ids "imageTag=$tag" >/dev/null 2>&1; then
    echo "$repository:$tag is there already"
    exit 0
fi
password=$(aws ecr get-login-password)
printf '%s' "$password" | docker login --username AWS --password-stdin "$registry"
docker push "$repository:$tag"
