"""``python -m localcloud.push REPOSITORY PYTHON``: make image-push's way into the local cloud's registry.

That holds manifests and no layers: its containers run the image of this machine that the manifest names.
"""

import os
import sys
from contextlib import closing

from gencove_explorer.executors.host.container import default_tag
from localcloud.images import docker, id_of
from localcloud.provision import open_client, push


def main(repository: str, python: str) -> None:
    """Push an image of this machine under two tags, as images/push.sh does, unless it is there."""
    endpoint, tag, name = os.environ["AWS_ENDPOINT_URL"], default_tag(python), repository.partition("/")[2]
    image = f"{repository}:{tag}"
    label = '{{index .Config.Labels "explorer.source"}}'
    source = f"source-{docker('image', 'inspect', '--format', label, image)[:12]}"
    with closing(open_client("ecr", endpoint)) as ecr:
        listed = ecr.list_images(repositoryName=name)["imageIds"]
    there = {each["imageTag"]: each["imageDigest"] for each in listed if "imageTag" in each}
    if tag in there and there[tag] != there.get(source):
        sys.exit(f"{image} is there with other content, and a tag is never overwritten: raise the version")
    for each in {source, tag} - there.keys():
        push(endpoint, each, id_of(image), repository=name)


if __name__ == "__main__":
    main(*sys.argv[1:])
