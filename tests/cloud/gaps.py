"""What Terraform meets differently in moto than on AWS, mended: else a second plan would not be empty."""

from typing import Any

from moto.batch.models import BatchBackend
from moto.batch.responses import BatchResponse
from moto.ec2.models.launch_templates import LaunchTemplateBackend

_LIMITS = "jobStateTimeLimitActions"


def mend() -> None:
    """Change moto's classes, of this process."""
    _keep_time_limits()
    _keep_tags_out_of_templates()


def _keep_time_limits() -> None:
    """A queue has its jobStateTimeLimitActions
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_JobQueueDetail.html), which moto forgets."""
    kept: dict[str, Any] = {}
    create, update = BatchResponse.createjobqueue, BatchResponse.updatejobqueue
    describe = BatchBackend.describe_job_queues

    def noting(respond: Any, name: str) -> Any:
        def noted(response: BatchResponse) -> Any:
            answer = respond(response)
            queue = response.batch_backend.get_job_queue(response._get_param(name))
            actions = response._get_param(_LIMITS)
            if queue is not None and actions is not None:
                kept[queue.arn] = actions
            return answer

        return noted

    def described(backend: BatchBackend, job_queues: list[str] | None = None) -> list[dict[str, Any]]:
        return [
            {**each, _LIMITS: kept.get(each["jobQueueArn"], [])} for each in describe(backend, job_queues)
        ]

    setattr(BatchResponse, "createjobqueue", noting(create, "jobQueueName"))  # noqa: B010
    setattr(BatchResponse, "updatejobqueue", noting(update, "jobQueue"))  # noqa: B010
    setattr(BatchBackend, "describe_job_queues", described)  # noqa: B010


def _keep_tags_out_of_templates() -> None:
    """A launch template's own tags are none of what it makes
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html)."""
    create = LaunchTemplateBackend.create_launch_template

    def created(
        backend: Any, name: str, description: str, template_data: dict[str, Any], tag_spec: Any
    ) -> Any:
        specifications = template_data.get("TagSpecifications", [])
        made = [each for each in specifications if each["ResourceType"] != "launch-template"]
        return create(backend, name, description, {**template_data, "TagSpecifications": made}, tag_spec)

    setattr(LaunchTemplateBackend, "create_launch_template", created)  # noqa: B010
