"""``python -m cloud.push REPOSITORY PYTHON``: make image-push's way into the local cloud's registry.

That holds manifests and no layers: its containers run the image of this machine that the manifest names.
"""

import os
import sys

from cloud.images import id_of
from cloud.provision import open_client, push
from gencove_explorer.batch.images import default_tag


def main(repository: str, python: str) -> None:
    """Push an image of this machine, unless its tag is there."""
    endpoint, tag, name = os.environ["AWS_ENDPOINT_URL"], default_tag(python), repository.partition("/")[2]
    there = open_client("ecr", endpoint).list_images(repositoryName=name)["imageIds"]
    if not any(each.get("imageTag") == tag for each in there):
        push(endpoint, tag, id_of(f"{repository}:{tag}"), repository=name)


if __name__ == "__main__":
    main(*sys.argv[1:])
