"""Batch's requests about jobs, checked and answered as AWS does; what is not about jobs stays moto's."""

import json
import threading
from typing import Any

from moto.batch import urls
from moto.batch.exceptions import ClientException
from moto.batch.models import BatchBackend
from moto.batch.responses import BatchResponse
from moto.ecr.models import ecr_backends
from moto.logs.models import logs_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends

from localcloud.consumables import NAMES as CONSUMABLE_REQUESTS
from localcloud.consumables import Consumables
from localcloud.hosts import CannotStartError, Container, Host
from localcloud.jobs import STATES, Job, make_job, now
from localcloud.weather import Weather
from localcloud.workers import Workers

ACCOUNT = "123456789012"
MAX_OVERRIDES = 8192
"""Characters of container overrides that pass (https://repost.aws/knowledge-center/batch-job-failure-length)."""
MAX_EVENT = 256 << 10
"""Bytes of a log event (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html)."""


class Batch:
    """The jobs of one account and region, in moto's place."""

    def __init__(
        self,
        host: Host,
        *,
        slots: int,
        region: str,
        variables: dict[str, str],
        disk: str,
        minute: float,
        weather: Weather | None = None,
    ) -> None:
        self.jobs: dict[str, Job] = {}
        self.unstartable: list[str] = []
        """Why the next containers cannot be started."""
        self._region = region
        self._variables = variables
        self._disk = disk
        self._lock = threading.Lock()
        self._partial: dict[Job, bytes] = {}
        self._weather = weather
        self.consumables = Consumables(region, ACCOUNT)
        self.workers = Workers(
            host, slots, self._container, self._write, _why_it_never_fits, minute, weather, self.consumables
        )

    def install(self) -> None:
        """Take these requests over from moto."""
        for name in ("submitjob", "describejobs", "listjobs", "terminatejob", "canceljob"):
            setattr(BatchResponse, name, _answering(getattr(self, name)))
        for name in (each.lower() for each in CONSUMABLE_REQUESTS):
            urls.url_paths[f"{{0}}/v1/{name}"] = BatchResponse.dispatch
            setattr(BatchResponse, name, _answering(getattr(self.consumables, name)))

    # -- requests -------------------------------------------------------------------------------------

    def submitjob(self, backend: BatchBackend, asked: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html"""
        definition = backend.get_job_definition(asked["jobDefinition"])
        queue = backend.get_job_queue(asked["jobQueue"])
        if definition is None or definition.status != "ACTIVE":
            raise ClientException(f"JobDefinition {asked['jobDefinition']} does not exist or is not ACTIVE")
        if queue is None:
            raise ClientException(f"Job queue {asked['jobQueue']} does not exist")
        if queue.state != "ENABLED":
            raise ClientException(f"Job Queue {asked['jobQueue']} is not in a valid state")
        _check_request(asked)
        overrides = asked.get("containerOverrides", {})
        container = json.loads(json.dumps(definition.container_properties))
        environment = {each["name"]: each["value"] for each in container["environment"]}
        environment |= {each["name"]: each["value"] for each in overrides.get("environment", [])}
        needs = {each["type"]: each["value"] for each in container["resourceRequirements"]}
        needs |= {each["type"]: each["value"] for each in overrides.get("resourceRequirements", [])}
        container["environment"] = [{"name": name, "value": value} for name, value in environment.items()]
        container["resourceRequirements"] = [{"type": kind, "value": value} for kind, value in needs.items()]
        container["command"] = overrides.get("command", container["command"])
        log = container.get("logConfiguration", {}).get("options", {})
        request = {
            "jobName": asked["jobName"],
            "jobQueue": queue.arn,
            "queueName": queue.name,
            "environments": queue.environments,
            "jobDefinition": definition.arn,
            "jobArn": f"arn:aws:batch:{self._region}:{ACCOUNT}:job/JOB",
            "container": container,
            "dependsOn": asked.get("dependsOn", []),
            "arrayProperties": asked.get("arrayProperties", {}),
            "retryStrategy": asked.get("retryStrategy") or definition.retry_strategy or {},
            "timeout": asked.get("timeout") or definition.timeout or {},
            "tags": asked.get("tags", {}),
            "streamPrefix": log.get("awslogs-stream-prefix", definition.name),
            "logGroup": log.get("awslogs-group", "/aws/batch/job"),
        }
        request["consumables"] = self.consumables.needs_of(asked)
        job = make_job(request, self._dependencies(asked))
        with self._lock:
            for each in (job, *job.children):
                self.jobs[each.id] = each
        self.workers.add(job)
        return {"jobId": job.id, "jobName": asked["jobName"], "jobArn": job.arn}

    def describejobs(self, backend: BatchBackend, asked: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html"""
        if len(asked["jobs"]) > 100:
            raise ClientException("Too many jobs: at most 100")
        found = (self.jobs.get(each) for each in asked["jobs"])
        return {"jobs": [each.described() for each in found if each is not None]}

    def listjobs(self, backend: BatchBackend, asked: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html"""
        if "arrayJobId" in asked:
            array = self.jobs.get(asked["arrayJobId"])
            found = list(array.children) if array else []
        else:
            queue = backend.get_job_queue(asked["jobQueue"])
            if queue is None:
                raise ClientException(f"Job queue {asked['jobQueue']} does not exist")
            found = [each for each in self.jobs.values() if each.parent is None and each.queue == queue.arn]
            found.sort(key=lambda each: -each.created)
        filters = asked.get("filters", [])
        if len(filters) > 1:
            raise ClientException("Only one filter can be used at a time")
        if filters and "arrayJobId" not in asked:
            found = [each for each in found if _passes(each, filters[0])]
        else:
            wanted = asked.get("jobStatus", "RUNNING")
            if wanted not in STATES:
                raise ClientException(f"Invalid job status {wanted}")
            found = [each for each in found if each.status == wanted]
        start = int(asked.get("nextToken") or 0)
        end = start + min(int(asked.get("maxResults") or 100), 100)
        page: dict[str, Any] = {"jobSummaryList": [each.summarised() for each in found[start:end]]}
        if end < len(found):
            page["nextToken"] = str(end)
        return page

    def terminatejob(self, backend: BatchBackend, asked: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html"""
        job = self.jobs.get(asked["jobId"])
        if job is not None:
            self.workers.terminate(job, asked["reason"])
        return {}

    def canceljob(self, backend: BatchBackend, asked: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html"""
        job = self.jobs.get(asked["jobId"])
        if job is not None:
            self.workers.cancel(job, asked["reason"])
        return {}

    def forget(self, job_id: str) -> None:
        """What AWS does about a week after a job has ended."""
        with self._lock:
            job = self.jobs.pop(job_id)
            for child in job.children:
                del self.jobs[child.id]

    def age(self, job_id: str, seconds: float) -> None:
        """Let a job have been submitted earlier than it was."""
        for each in (self.jobs[job_id], *self.jobs[job_id].children):
            each.created = now() - int(1000 * seconds)

    def _dependencies(self, asked: dict[str, Any]) -> list[tuple[Job | None, str | None]]:
        found: list[tuple[Job | None, str | None]] = []
        size = asked.get("arrayProperties", {}).get("size")
        for each in asked.get("dependsOn", []):
            job = self.jobs.get(each["jobId"]) if "jobId" in each else None
            if "jobId" in each and job is None:
                raise ClientException(f"Job {each['jobId']} in dependsOn does not exist")
            if each.get("type") == "N_TO_N" and (job is None or len(job.children) != size):
                raise ClientException("N_TO_N needs an array of the same size")
            found.append((job, each.get("type")))
        return found

    # -- containers -----------------------------------------------------------------------------------

    def _container(self, job: Job) -> Container:
        """What to run for an attempt. Raises CannotStartError."""
        if self.unstartable:
            raise CannotStartError(self.unstartable.pop())
        reason = self._weather.why_not_started(job.id) if self._weather else None
        if reason is not None:
            raise CannotStartError(reason)
        properties = job.request["container"]
        volumes = {each["name"]: each["host"]["sourcePath"] for each in properties.get("volumes", [])}
        needs = {each["type"]: each["value"] for each in properties["resourceRequirements"]}
        group = job.request["logGroup"]
        if group not in logs_backends[ACCOUNT][self._region].groups:
            raise CannotStartError(f"CannotStartContainerError: the log group {group} does not exist")
        return Container(
            name=job.id,
            image=self._image(properties["image"]),
            command=properties["command"],
            environment=self._environment(job),
            memory_mb=int(needs["MEMORY"]),
            cpus=int(needs["VCPU"]),
            mounts={
                each["containerPath"]: f"{self._disk}{volumes[each['sourceVolume']]}"
                for each in properties.get("mountPoints", [])
            },
            user=properties.get("user", ""),
            read_only=properties.get("readonlyRootFilesystem", False),
            init=properties.get("linuxParameters", {}).get("initProcessEnabled", False),
        )

    def _environment(self, job: Job) -> dict[str, str]:
        """https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html"""
        properties = job.request["container"]
        given = {each["name"]: each["value"] for each in properties["environment"]}
        given |= {each["name"]: self._secret(each["valueFrom"]) for each in properties.get("secrets", [])}
        given |= self._variables  # the role's credentials, as its agent gives them
        given["AWS_BATCH_JOB_ID"] = job.id
        given["AWS_BATCH_JQ_NAME"] = job.request["queueName"]
        given["AWS_BATCH_JOB_ATTEMPT"] = str(len(job.attempts) + 1)
        if job.index is not None:
            given["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.index)
        return given

    def _secret(self, arn: str) -> str:
        try:
            if ":ssm:" in arn:
                name = arn.partition(":parameter")[2]
                return str(ssm_backends[ACCOUNT][self._region].get_parameters([name])[name].value)
            found = secretsmanager_backends[ACCOUNT][self._region].get_secret_value(arn, "", "")
            return str(found["SecretString"])
        except Exception as error:
            raise CannotStartError(f"ResourceInitializationError: unable to pull secrets: {arn}") from error

    def _image(self, name: str) -> str:
        """The image's id on this machine: by its manifest if it is in ECR, else by its name."""
        registry, _, rest = name.partition("/")
        if ".dkr.ecr." not in registry:
            return name
        repository, digest = rest.split("@") if "@" in rest else (rest.rpartition(":")[0], "")
        tag = "" if digest else rest.rpartition(":")[2]
        found = ecr_backends[ACCOUNT][self._region].repositories.get(repository)
        for image in found.images if found else ():
            if digest == image.get_image_digest() or tag in image.image_tags:
                return str(json.loads(image.image_manifest)["config"]["digest"])
        raise CannotStartError(f"CannotPullContainerError: manifest for {name} not found")

    # -- logs -----------------------------------------------------------------------------------------

    def _write(self, job: Job, chunk: bytes) -> None:
        """Append to a job's log stream, line by line; an empty chunk is its end."""
        lines = (self._partial.pop(job, b"") + chunk).split(b"\n")
        rest = lines.pop()
        if chunk and rest:
            self._partial[job] = rest
        elif rest:
            lines.append(rest)
        events = [
            {"timestamp": now(), "message": line[start : start + MAX_EVENT].decode(errors="replace")}
            for line in lines
            for start in range(0, len(line) or 1, MAX_EVENT)
        ]
        logs = logs_backends[ACCOUNT][self._region]
        logs.ensure_log_stream(job.request["logGroup"], job.stream)
        if events:
            logs.put_log_events(job.request["logGroup"], job.stream, events)


def _answering(answer: Any) -> Any:
    def respond(response: BatchResponse) -> str:
        return json.dumps(answer(response.batch_backend, json.loads(response.body or "{}")))

    return respond


def _check_request(asked: dict[str, Any]) -> None:
    """The limits of https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html"""
    name = asked["jobName"]
    if not (1 <= len(name) <= 128 and name[0].isalnum() and name.replace("-", "").replace("_", "").isalnum()):
        raise ClientException("Job name should match valid pattern")
    size = asked.get("arrayProperties", {}).get("size")
    if size is not None and not 2 <= size <= 10_000:
        raise ClientException("The array size must be between 2 and 10,000")
    if len(asked.get("dependsOn", [])) > 20:
        raise ClientException("A job can have at most 20 dependencies")
    if len(json.dumps(asked.get("containerOverrides", {}))) > MAX_OVERRIDES:
        raise ClientException("Container Overrides length must be at most 8192")
    if asked.get("timeout", {}).get("attemptDurationSeconds", 60) < 60:
        raise ClientException("The minimum value for the timeout is 60 seconds")
    strategy = asked.get("retryStrategy", {})
    if not 1 <= strategy.get("attempts", 1) <= 10 or len(strategy.get("evaluateOnExit", [])) > 5:
        raise ClientException("Retry strategy: from 1 to 10 attempts and at most 5 rules")
    tags = asked.get("tags", {})
    if len(tags) > 50 or any(len(key) > 128 or len(value) > 256 for key, value in tags.items()):
        raise ClientException("At most 50 tags of 128 and 256 characters")
    for each in asked.get("containerOverrides", {}).get("environment", []):
        if each["name"].startswith("AWS_BATCH"):
            raise ClientException("Environment variables cannot start with AWS_BATCH")


def _passes(job: Job, wanted: dict[str, Any]) -> bool:
    values = [each.lower() for each in wanted["values"]]
    if wanted["name"] == "JOB_NAME":
        name = job.request["jobName"].lower()
        return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in values)
    if wanted["name"] == "JOB_DEFINITION":
        return any(each in job.request["jobDefinition"].lower() for each in values)
    if wanted["name"] == "BEFORE_CREATED_AT":
        return job.created < int(values[0])
    if wanted["name"] == "AFTER_CREATED_AT":
        return job.created > int(values[0])
    raise ClientException(f"Unknown filter {wanted['name']}")


def _why_it_never_fits(job: Job) -> str | None:
    """https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html"""
    needs = {each["type"]: int(each["value"]) for each in job.request["container"]["resourceRequirements"]}
    largest = max((each.compute_resources or {}).get("maxvCpus", 256) for each in job.request["environments"])
    if needs["VCPU"] <= largest:
        return None
    return (
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is "
        "higher than that can be met by the CE(s) attached to the job queue."
    )
