"""What Terraform meets differently in moto than on AWS, mended: else a second plan would not be empty."""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

from moto.batch.models import BatchBackend
from moto.batch.responses import BatchResponse
from moto.ec2.models.instance_types import InstanceTypeOfferingBackend
from moto.ec2.models.launch_templates import LaunchTemplateBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.instances import InstanceResponse
from moto.ssm.responses import SimpleSystemManagerResponse


def mend() -> None:
    """Change moto's classes, of this process."""
    # https://docs.aws.amazon.com/batch/latest/APIReference/API_JobQueueDetail.html
    _keep("JobQueue", "jobStateTimeLimitActions")
    # https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeEnvironmentDetail.html
    _keep("ComputeEnvironment", "updatePolicy")
    _make_linked_role()
    _keep_updates()
    _keep_tags_out_of_templates()
    _let_instances_keep_their_groups()
    _find_types_by_pattern()
    _find_services_by_name()
    _connect_hosts()


def _keep(kind: str, field: str) -> None:
    """Let Batch's Describe requests tell a field that moto forgets when a thing is created or updated."""
    small = f"{kind[0].lower()}{kind[1:]}"
    plural = f"describe_{re.sub('(?<=[a-z])(?=[A-Z])', '_', kind).lower()}s"
    kept: dict[str, Any] = {}
    describe = getattr(BatchBackend, plural)

    def noting(respond: Any, name: str) -> Any:
        def noted(response: BatchResponse) -> Any:
            answer = respond(response)
            given = response._get_param(field)
            if given is not None:
                kept[response._get_param(name).rpartition("/")[2]] = given
            return answer

        return noted

    def described(*asked: Any, **named: Any) -> list[dict[str, Any]]:
        found = [(each, kept.get(each[f"{small}Name"])) for each in describe(*asked, **named)]
        return [each if value is None else {**each, field: value} for each, value in found]

    for action, name in (("create", f"{small}Name"), ("update", small)):
        method = f"{action}{kind.lower()}"
        setattr(BatchResponse, method, noting(getattr(BatchResponse, method), name))
    setattr(BatchBackend, plural, described)


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


def _make_linked_role() -> None:
    """An environment without a service role gets the account's AWSServiceRoleForBatch, which Batch makes
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateComputeEnvironment.html)."""
    create = BatchBackend.create_compute_environment

    def created(backend: BatchBackend, *, service_role: str | None, **facts: Any) -> Any:
        return create(backend, service_role=service_role or _linked_role(backend), **facts)

    setattr(BatchBackend, "create_compute_environment", created)  # noqa: B010


def _linked_role(backend: BatchBackend) -> str:
    iam, name = backend.iam_backend, "AWSServiceRoleForBatch"
    role = next((each for each in iam.get_roles() if each.name == name), None)
    role = role or iam.create_role(
        role_name=name,
        assume_role_policy_document="{}",
        path="/aws-service-role/batch.amazonaws.com/",
        permissions_boundary=None,
        description="",
        tags=[],
        max_session_duration="3600",
    )
    return str(role.arn)


def _keep_updates() -> None:
    """What is updated of an environment's machines is kept
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdateComputeEnvironment.html)."""
    update = BatchBackend.update_compute_environment

    def updated(
        backend: BatchBackend, compute_environment_name: str, *, compute_resources: Any, **facts: Any
    ) -> Any:
        environment = backend.get_compute_environment(compute_environment_name)
        if environment is not None and compute_resources:
            environment.compute_resources.update(compute_resources)
        return update(backend, compute_environment_name, compute_resources=compute_resources, **facts)

    setattr(BatchBackend, "update_compute_environment", updated)  # noqa: B010


def _let_instances_keep_their_groups() -> None:
    """A change of how an instance shuts down changes no groups
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html)."""
    change_groups = InstanceResponse._security_grp_instance_attribute_handler

    def changed(response: InstanceResponse) -> bool:
        behavior = response._get_param("InstanceInitiatedShutdownBehavior.Value")
        if behavior is None:
            return change_groups(response)
        response.ec2_backend.modify_instance_attribute(
            response._get_param("InstanceId"), "instance_initiated_shutdown_behavior", behavior
        )
        return True

    setattr(InstanceResponse, "_security_grp_instance_attribute_handler", changed)  # noqa: B010


def _find_types_by_pattern() -> None:
    """Filters take wildcards
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html)."""
    matches = InstanceTypeOfferingBackend.matches_filters

    def matched(backend: Any, offering: dict[str, Any], filters: dict[str, Any], location_type: str) -> bool:
        others = {name: values for name, values in filters.items() if name != "instance-type"}
        patterns = filters.get("instance-type", ["*"])
        return matches(backend, offering, others, location_type) and any(
            fnmatchcase(offering["InstanceType"], each) for each in patterns
        )

    setattr(InstanceTypeOfferingBackend, "matches_filters", matched)  # noqa: B010


def _find_services_by_name() -> None:
    """Filters have Values, which moto looks for under another name
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcEndpointServices.html)."""
    choose = VPCBackend._filter_endpoint_services

    def chosen(names: list[str], filters: list[dict[str, Any]], services: list[dict[str, Any]]) -> Any:
        return choose(names, [{"Value": each.get("Values", []), **each} for each in filters], services)

    setattr(VPCBackend, "_filter_endpoint_services", staticmethod(chosen))  # noqa: B010


def _connect_hosts() -> None:
    """A machine's agent is connected once it runs, which moto knows nothing of
    (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetConnectionStatus.html)."""

    def get_connection_status(response: SimpleSystemManagerResponse) -> str:
        target = response._get_param("Target")
        return json.dumps({"Target": target, "Status": "connected"})

    setattr(SimpleSystemManagerResponse, "get_connection_status", get_connection_status)  # noqa: B010
