# What the scripts beside it share; they source it.
# shellcheck shell=sh

# This project's version.
# shellcheck disable=SC2034
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' runner/src/explorer_runner/_version.py)

# Sources are compared between machines: what they are made of is read in one order everywhere.
export LC_ALL=C

# source_of IMAGE: the digest of all that an image of this machine was made of; nothing where it is not there.
source_of() {
    docker image inspect --format '{{index .Config.Labels "explorer.source"}}' "$1" 2>/dev/null || true
}

# contents WHEEL...: digests of what is in wheels. Their own bytes differ with the zlib that packed them.
contents() {
    .venv/bin/python -c '
import sys, zipfile
for wheel in map(zipfile.ZipFile, sys.argv[1:]):
    print(*(wheel.read(each).decode() for each in wheel.namelist() if each.endswith(".dist-info/RECORD")))' "$@"
}

# refuse IMAGE [ELSE]: an image of the name is there, and was made of something else.
refuse() {
    echo "$1 is there with other content, and a tag is never overwritten: raise the version" \
        "(runner/src/explorer_runner/_version.py)${2:-}" >&2
    return 1
}

# build_once IMAGE SOURCE OPTION...: build it of ".", labelled with its source.
# A tag is never overwritten: an image of the same source is found again, another one is an error.
build_once() {
    image=$1
    source=$2
    shift 2
    there=$(source_of "$image")
    if [ "$there" = "$source" ]; then
        echo "$image is there already"
        return
    elif [ -n "$there" ]; then
        refuse "$image" ", or remove the image (docker rmi $image)"
        return 1
    fi
    # Machines of AWS Batch are linux/amd64; a laptop may not be.
    case $(uname -m) in x86_64 | amd64) ;; *) set -- --platform=linux/amd64 "$@" ;; esac
    # Attestations would make an index of each image, with untagged ones in it. The classic builder makes none.
    BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --tag "$image" --build-arg "SOURCE=$source" "$@" .
}
