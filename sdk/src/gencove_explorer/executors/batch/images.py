"""From the image that is configured, or asked for, to the digest of exactly one."""

import re
from typing import Any

from explorer_runner.format.payload import python_minor
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.aws.errors import AwsError, translate_errors
from gencove_explorer.errors import SubmissionError
from gencove_explorer.executors.host.container import default_tag

_ECR = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.[a-z0-9.-]+/([^:@]+)")
"""Each of AWS's partitions has a domain of its own."""


def split(image: str) -> tuple[str, str, str]:
    """``(repository, tag, digest)`` of an image's name; tag or digest may be empty."""
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{head}{slash}{last}", tag, digest


class Images:
    """Images by digest; each name is looked up once."""

    def __init__(self, aws: AwsClients, python: str = "") -> None:
        self._aws = aws
        self._python = python or python_minor()
        self._found: dict[str, str] = {}

    def pin(self, image: str) -> str:
        """``repository@sha256:...`` of an image; a repository alone means the runner's tag in it.

        Raises SubmissionError if there is no such image, or if it is not in ECR and has no digest.
        """
        repository, tag, digest = split(image)
        if digest:
            return f"{repository}@{digest}"
        tagged = f"{repository}:{tag or default_tag(self._python)}"
        if tagged not in self._found:
            self._found[tagged] = f"{repository}@{self._digest(repository, tagged.rpartition(':')[2])}"
        return self._found[tagged]

    def _digest(self, repository: str, tag: str) -> str:
        name = _ECR.fullmatch(repository)
        if name is None:
            raise SubmissionError(
                f"the image {repository}:{tag} is not in ECR, where its digest could be looked up: name it "
                f"with its digest, {repository}@sha256:... (docker buildx imagetools inspect shows it), so "
                "that every job runs the same one"
            )
        ecr = self._aws.client("ecr")
        repository_facts: dict[str, Any] = {"registryId": name[1], "repositoryName": name[2]}
        try:
            with translate_errors(f"the image {repository}:{tag}"):
                answer = ecr.describe_images(**repository_facts, imageIds=[{"imageTag": tag}])
        except AwsError as error:
            if error.code == "ImageNotFoundException":
                raise SubmissionError(self._missing(repository, tag, repository_facts)) from error
            if error.code == "RepositoryNotFoundException":
                raise SubmissionError(f"there is no repository {repository}: explorer doctor") from error
            raise
        return str(answer["imageDetails"][0]["imageDigest"])

    def _missing(self, repository: str, tag: str, repository_facts: dict[str, Any]) -> str:
        with translate_errors(f"the images of {repository}"):
            pages = self._aws.client("ecr").get_paginator("describe_images").paginate(**repository_facts)
            details = [detail for page in pages for detail in page["imageDetails"]]
        tags = sorted(
            image_tag
            for detail in details
            for image_tag in detail.get("imageTags", [])
            if not image_tag.startswith("source-")  # images/push.sh's mark of what an image is made of
        )
        existing = ", ".join(tags[-10:]) or "none"
        text = f"there is no image {repository}:{tag}; there are: {existing}"
        if tag == default_tag(self._python):
            text += (
                f". What Python {self._python} pickles only that Python reads: build and push its image "
                f"(make image PYTHON=python{self._python}), or submit from a Python that has one"
            )
        return text
