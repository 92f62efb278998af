"""Emptying a repository: an index and what it refers to, images that stay."""

from typing import Any

import pytest

from stack.registry import delete_images
from stack.steps import StepFailed


class Registry:
    """ECR's client, as far as it is asked: what an index refers to is refused while that is there."""

    def __init__(self, *, indexes: dict[str, list[str]], plain: dict[str, list[str]]) -> None:
        children = {each for inside in indexes.values() for each in inside}
        self.tags: dict[str, list[str]] = {**{each: [] for each in children}, **plain}
        self.tags |= {index: ["0.1.0-py3.11", "source-0123"] for index in indexes}
        self._indexes = indexes

    def get_paginator(self, operation: str) -> "Registry":
        assert operation == "list_images"
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        tagged = [{"imageDigest": each, "imageTag": tag} for each, tags in self.tags.items() for tag in tags]
        bare = [{"imageDigest": each} for each, tags in self.tags.items() if not tags]
        return [{"imageIds": tagged}, {"imageIds": bare}]

    def batch_delete_image(self, **asked: Any) -> dict[str, Any]:
        images = asked["imageIds"]
        assert 0 < len(images) <= 100
        held = {each for index in self._indexes.keys() & self.tags.keys() for each in self._indexes[index]}
        failures = []
        for image in images:
            assert image.keys() == {"imageDigest"}
            if image["imageDigest"] in held:
                failures.append(
                    {
                        "imageId": image,
                        "failureCode": "ImageReferencedByManifestList",
                        "failureReason": "Requested image referenced by manifest list",
                    }
                )
            else:
                del self.tags[image["imageDigest"]]
        return {"failures": failures}


def test_an_index_goes_before_what_it_refers_to():
    registry = Registry(
        indexes={"sha256:f": ["sha256:a", "sha256:b"], "sha256:a": ["sha256:0"]},
        plain={f"sha256:1{number:03}": ["x", "y"] for number in range(150)},
    )
    delete_images(registry, "demo-runner")
    assert registry.tags == {}


def test_an_image_that_stays_is_named_with_the_reason():
    registry = Registry(
        indexes={"sha256:f": ["sha256:a"], "sha256:a": ["sha256:f"]}, plain={"sha256:1": ["x"]}
    )
    with pytest.raises(
        StepFailed, match="demo-runner: 2 images stay, sha256:a among them: ImageReferencedByManifestList"
    ):
        delete_images(registry, "demo-runner")


def test_an_empty_repository_is_asked_for_nothing():
    delete_images(Registry(indexes={}, plain={}), "demo-runner")
