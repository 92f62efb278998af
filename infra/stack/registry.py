"""What is in a repository of images; emptying it, which Terraform cannot."""

from typing import Any

from stack.steps import StepFailed

_AT_ONCE = 100
"""Images of one BatchDeleteImage
(https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html)."""
_ROUNDS = 5


def has_image(ecr: Any, repository: str, tag: str) -> bool:
    """Whether a tag is in a repository, by ECR's client."""
    try:
        ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except ecr.exceptions.ImageNotFoundException:
        return False
    return True


def delete_images(ecr: Any, repository: str) -> None:
    """Remove every image of a repository, by ECR's client. Raises StepFailed where one stays."""
    # An index goes before what it refers to: until then ECR refuses that (ImageReferencedByManifestList), in
    # an answer that is a success. Docker pushes an index wherever it keeps images in containerd's store.
    refused: list[dict[str, Any]] = []
    for _ in range(_ROUNDS):
        pages = ecr.get_paginator("list_images").paginate(repositoryName=repository)
        # By digest, with all tags of it. An image is listed once a tag.
        digests = sorted({each["imageDigest"] for page in pages for each in page["imageIds"]})
        refused = []
        for start in range(0, len(digests), _AT_ONCE):
            images = [{"imageDigest": each} for each in digests[start : start + _AT_ONCE]]
            answer = ecr.batch_delete_image(repositoryName=repository, imageIds=images)
            refused += [each for each in answer.get("failures", []) if each["failureCode"] != "ImageNotFound"]
        if not refused:
            return
    first = refused[0]
    raise StepFailed(
        f"{repository}: {len(refused)} images stay, {first['imageId'].get('imageDigest')} among them: "
        f"{first['failureCode']}: {first.get('failureReason')}. Remove what refers to them, as ECR's "
        "console has it, and give the same command again"
    )
