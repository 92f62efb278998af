"""At most so many jobs at once: a consumable resource of AWS Batch for each analysis that has such a limit.

Each job takes one unit while it is STARTING or RUNNING, and the resource has as many as may run
(https://docs.aws.amazon.com/batch/latest/userguide/resource-aware-scheduling.html). An account can have
50,000 of them, and they cost nothing, so what a process that ended left behind is removed by a later one.
"""

import time
from collections.abc import Callable

from explorer_runner.format.names import parse_id
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.aws.errors import REFUSED, AwsError, translate_errors
from gencove_explorer.errors import SubmissionError
from gencove_explorer.records.round import RoundRecord

PREFIX = "explorer-"
ANALYSIS = "explorer:analysis"
_KEPT_SECONDS = 86_400.0
"""A resource that is younger may be of an analysis that is being submitted."""
_MOST_SWEPT = 20


def name_of(analysis_id: str) -> str:
    """The name of an analysis's resource: of its id the part that no other has."""
    return f"{PREFIX}{parse_id(analysis_id).nonce}"


class ParallelLimits:
    """Makes and removes the resources."""

    def __init__(self, aws: AwsClients) -> None:
        self._aws = aws

    def make(self, record: RoundRecord) -> dict[str, object]:
        """Make the resource of a round's analysis, where it is not there; returns what SubmitJob is given.

        Raises SubmissionError where that is not allowed.
        """
        name = name_of(record.id)
        try:
            with translate_errors(f"a limit of {record.parallel} jobs at once (parallel={record.parallel})"):
                self._aws.client("batch").create_consumable_resource(
                    consumableResourceName=name,
                    totalQuantity=record.parallel,
                    resourceType="REPLENISHABLE",
                    tags={ANALYSIS: record.id},
                )
        except AwsError as error:
            if error.code in REFUSED:
                raise SubmissionError(
                    f"{error}. It is a consumable resource of AWS Batch (batch:CreateConsumableResource): "
                    "allow that, or run() without parallel"
                ) from error
            if "already exists" not in str(error):
                raise
        return {"consumableResourceList": [{"consumableResource": name, "quantity": 1}]}

    def remove(self, analysis_id: str) -> None:
        """Remove the resource of an analysis that has ended; it being gone already is fine."""
        try:
            with translate_errors("a limit of jobs at once"):
                self._aws.client("batch").delete_consumable_resource(consumableResource=name_of(analysis_id))
        except AwsError:
            pass  # it is gone, is still in use by a job that ends just now, or may not be removed: see sweep

    def sweep(self, has_ended: Callable[[str], bool]) -> None:
        """Remove some resources that nobody uses any more; ``has_ended`` is asked of an analysis's id."""
        named = [{"name": "CONSUMABLE_RESOURCE_NAME", "values": [f"{PREFIX}*"]}]
        try:
            with translate_errors("the limits of jobs at once"):
                client = self._aws.client("batch")
                answer = client.list_consumable_resources(filters=named, maxResults=100)
                unused = [each for each in answer["consumableResources"] if not each.get("inUseQuantity")]
                for resource in unused[:_MOST_SWEPT]:
                    facts = client.describe_consumable_resource(
                        consumableResource=resource["consumableResourceArn"]
                    )
                    old = time.time() - facts.get("createdAt", 0) / 1000 > _KEPT_SECONDS
                    if old and has_ended(facts.get("tags", {}).get(ANALYSIS, "")):
                        client.delete_consumable_resource(
                            consumableResource=resource["consumableResourceArn"]
                        )
        except AwsError:
            pass  # it is housekeeping: the submission is what matters
