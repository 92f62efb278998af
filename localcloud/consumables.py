"""Consumable resources, which moto does not have: so many units, of which each job that runs takes some.

See https://docs.aws.amazon.com/batch/latest/userguide/resource-aware-scheduling.html: a job waits in RUNNABLE
until its units are there, has them from STARTING on, and gives them back when it has ended.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from moto.batch.exceptions import ClientException

NAMES = (
    "CreateConsumableResource",
    "DeleteConsumableResource",
    "DescribeConsumableResource",
    "ListConsumableResources",
)


@dataclass
class Consumable:
    """One resource."""

    name: str
    arn: str
    total: int
    kind: str
    tags: dict[str, str]
    created: int = field(default_factory=lambda: int(time.time() * 1000))
    in_use: int = 0

    def listed(self) -> dict[str, Any]:
        return {
            "consumableResourceArn": self.arn,
            "consumableResourceName": self.name,
            "totalQuantity": self.total,
            "inUseQuantity": self.in_use,
            "resourceType": self.kind,
        }

    def described(self) -> dict[str, Any]:
        more = {"availableQuantity": self.total - self.in_use, "createdAt": self.created, "tags": self.tags}
        return self.listed() | more


class Consumables:
    """All of an account and region."""

    def __init__(self, region: str, account: str) -> None:
        self._prefix = f"arn:aws:batch:{region}:{account}:consumable-resource/"
        self._by_name: dict[str, Consumable] = {}

    # -- requests -------------------------------------------------------------------------------------

    def createconsumableresource(self, backend: Any, asked: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateConsumableResource.html"""
        name, kind = asked["consumableResourceName"], asked.get("resourceType", "REPLENISHABLE")
        if name in self._by_name:
            raise ClientException(f"Consumable resource {name} already exists")
        if kind not in ("REPLENISHABLE", "NON_REPLENISHABLE") or asked.get("totalQuantity", 0) < 0:
            raise ClientException("Invalid resource type or quantity")
        made = Consumable(
            name, self._prefix + name, asked.get("totalQuantity", 0), kind, asked.get("tags", {})
        )
        self._by_name[name] = made
        return {"consumableResourceName": name, "consumableResourceArn": made.arn}

    def deleteconsumableresource(self, backend: Any, asked: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/batch/latest/APIReference/API_DeleteConsumableResource.html"""
        resource = self._find(asked["consumableResource"])
        if resource.in_use:
            raise ClientException(f"Consumable resource {resource.name} is in use")
        del self._by_name[resource.name]
        return {}

    def describeconsumableresource(self, backend: Any, asked: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeConsumableResource.html"""
        return self._find(asked["consumableResource"]).described()

    def listconsumableresources(self, backend: Any, asked: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/batch/latest/APIReference/API_ListConsumableResources.html"""
        patterns = [
            value
            for each in asked.get("filters", [])
            if each["name"] == "CONSUMABLE_RESOURCE_NAME"
            for value in each["values"]
        ]
        found = [
            each
            for each in self._by_name.values()
            if not patterns or any(fnmatchcase(each.name, pattern) for pattern in patterns)
        ]
        return {"consumableResources": [each.listed() for each in found[: asked.get("maxResults", 100)]]}

    # -- jobs -----------------------------------------------------------------------------------------

    def needs_of(self, asked: Mapping[str, Any]) -> dict[str, int]:
        """Name -> quantity of what a job takes, as SubmitJob says."""
        listed = asked.get("consumableResourcePropertiesOverride", {}).get("consumableResourceList", [])
        return {self._find(each["consumableResource"]).name: int(each["quantity"]) for each in listed}

    def take(self, needs: Mapping[str, int]) -> bool:
        """Take units for a job that is about to start; False if some are missing."""
        held = list(self._held(needs))
        if len(held) < len(needs) or any(each.total - each.in_use < quantity for each, quantity in held):
            return False
        for each, quantity in held:
            each.in_use += quantity
        return True

    def give_back(self, needs: Mapping[str, int]) -> None:
        """The job has ended, or is to be started again."""
        for resource, quantity in self._held(needs):
            if resource.kind == "REPLENISHABLE":
                resource.in_use -= quantity

    def _held(self, needs: Mapping[str, int]) -> Iterator[tuple[Consumable, int]]:
        for name, quantity in needs.items():
            if name in self._by_name:
                yield self._by_name[name], quantity

    def _find(self, given: str) -> Consumable:
        resource = self._by_name.get(given.removeprefix(self._prefix))
        if resource is None:
            raise ClientException(f"Consumable resource {given} does not exist")
        return resource
