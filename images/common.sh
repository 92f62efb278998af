# What the scripts beside it share; they source it.
# shellcheck shell=sh

# This project's version.
# shellcheck disable=SC2034
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' runner/src/explorer_runner/_version.py)

# build_once IMAGE SOURCE OPTION...: build it of ".", labelled with its source, a digest of all that it is made of.
# A tag is never overwritten: an image of the same source is found again, another one is an error.
build_once() {
    image=$1
    source=$2
    shift 2
    there=$(docker image inspect --format '{{index .Config.Labels "explorer.source"}}' "$image" 2>/dev/null || true)
    if [ "$there" = "$source" ]; then
        echo "$image is there already"
        return
    elif [ -n "$there" ]; then
        echo "$image is there with other content, and a tag is never overwritten: raise the version" \
            "(runner/src/explorer_runner/_version.py), or remove the image (docker rmi $image)" >&2
        return 1
    fi
    # Machines of AWS Batch are linux/amd64; a laptop may not be.
    case $(uname -m) in x86_64 | amd64) ;; *) set -- --platform=linux/amd64 "$@" ;; esac
    # Attestations would make an index of each image, with untagged ones in it. The classic builder makes none.
    BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --tag "$image" --build-arg "SOURCE=$source" "$@" .
}
