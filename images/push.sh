#!/bin/sh
# Push an image of this version to its repository, unless it is there: tags are never overwritten. A second tag says
# what it was made of (source-...), so that other code under the same version is refused, and not taken for pushed.
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

# look TAG WHAT: what ECR has of an image (imageDigest, imageTags); nothing where it is not there. Whatever else ECR says
# is printed, and is a failure.
look() {
    if error=$(aws ecr describe-images --repository-name "$name" --image-ids "imageTag=$1" \
        --query "imageDetails[0].$2" --output text 2>&1 >&3); then
        return
    fi
    case $error in
        *ImageNotFoundException*) ;;
        *) echo "$error" >&2; return 1 ;;
    esac
} 3>&1

# same: whether both tags are of one image.
same() {
    there=$(look "$tag" imageDigest) || exit 1
    of_source=$(look "$source" imageDigest) || exit 1
    [ -n "$there" ] && [ "$there" = "$of_source" ]
}

# refuse_other: the version's tag is there, and not of this source.
refuse_other() {
    tags=$(look "$tag" imageTags) || exit 1
    case $tags in
        *source-*) refuse "$repository:$tag" ;;
        *) refuse "$repository:$tag" ". It was pushed from another source, or by something else than this script" ;;
    esac
}

made_of=$(source_of "$repository:$tag" | cut -c1-12)
[ -n "$made_of" ] || { echo "there is no image $repository:$tag on this machine: make image, or make notebook" >&2; exit 1; }
source=source-$made_of
if same; then
    echo "$repository:$tag is there already"
    exit 0
fi
[ -z "$there" ] || { refuse_other; exit 1; }

if [ -z "$of_source" ]; then
    password=$(aws ecr get-login-password)
    printf '%s' "$password" | docker login --username AWS --password-stdin "$registry"
    docker tag "$repository:$tag" "$repository:$source"
    # Refused as well where somebody else has pushed the same meanwhile: that is as good.
    docker push "$repository:$source" || {
        of_source=$(look "$source" imageDigest) || exit 1
        [ -n "$of_source" ] || exit 1
    }
    docker rmi "$repository:$source" >/dev/null
fi
# The version's tag goes onto the very image that has the source's: two machines' builds of one source differ.
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-retag.html
manifest=$(aws ecr batch-get-image --repository-name "$name" --image-ids "imageTag=$source" \
    --query 'images[0].imageManifest' --output text)
aws ecr put-image --repository-name "$name" --image-tag "$tag" --image-manifest "$manifest" >/dev/null || true
if ! same; then
    [ -z "$there" ] || { refuse_other; exit 1; }
    echo "$repository:$tag is not there after the push: mend what AWS says above, and give the same command again" >&2
    exit 1
fi
echo "$repository:$tag is pushed"
