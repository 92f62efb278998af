"""What machines of jobs are told when they start, run as root of a container with a network of its own."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from email import message_from_string
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest

from localcloud.images import docker
from support.machines import SYSTEMD
from support.terraform import MODULES, copy_modules, init
from support.waiting import eventually

AGENT = MODULES / "modules" / "batch" / "agent.sh"
HERE = Path(__file__).parent / "machine"

# The address of EC2's metadata is this container's, with a server behind it; ECS's folder is there.
MACHINE = """
apt-get update -qq && apt-get install -y -qq iproute2 iptables >/dev/null 2>&1
ip addr add 169.254.169.254/32 dev lo
mkdir -p /etc/ecs && echo ECS_CLUSTER=batch >/etc/ecs/ecs.config
python3 -m http.server 80 >/dev/null 2>&1 &
until python3 -c 'import socket; socket.create_connection(("127.0.0.1", 80))' 2>/dev/null; do sleep 0.1; done
bash /agent.sh
bash /agent.sh
python3 - <<'END'
import os, socket
socket.setdefaulttimeout(5)
for user in (0, 1000):
    if os.fork() == 0:
        os.setuid(user)
        answer = socket.socket().connect_ex(("169.254.169.254", 80))
        print("user", user, "is refused" if answer else "is let through", flush=True)
        os._exit(0)
    os.wait()
END
iptables --list-rules OUTPUT | grep -c 169.254.169.254
cat /etc/ecs/ecs.config
"""
BATCHS_OWN = "#!/bin/bash\necho ECS_CLUSTER=batch >>/etc/ecs/ecs.config\n"

pytestmark = [pytest.mark.container, pytest.mark.timeout(300)]


def test_a_job_is_kept_from_the_machines_role_however_often_it_starts(base_image: str):
    options = ["--rm", "--interactive", "--user=0", "--cap-add=NET_ADMIN", f"--volume={AGENT}:/agent.sh:ro"]
    done = subprocess.run(
        ["docker", "run", *options, base_image, "bash", "-e"], input=MACHINE, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "user 0 is let through",
        "user 1000 is refused",
        "1",
        "ECS_CLUSTER=batch",
        "ECS_DISABLE_PRIVILEGED=true",
        "ECS_IMAGE_PULL_BEHAVIOR=once",
        "ECS_CONTAINER_CREATE_TIMEOUT=15m",
        "ECS_CONTAINER_START_TIMEOUT=15m",
        "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=10m",
    ]


# -- from the first start on: cloud-init, systemd, and an agent that waits for both ----------------------


class Machine:
    """A container that plays a machine of jobs."""

    def __init__(self, container: str) -> None:
        self._container = container

    def sh(self, script: str, check: bool = True) -> str:
        return docker("exec", self._container, "bash", "-c", script, check=check)

    def wait(self) -> None:
        """Until nothing is left to start."""
        states = ("running", "degraded")
        eventually(lambda: self.sh("systemctl is-system-running", check=False) in states, 60)

    def restart(self) -> None:
        docker("restart", self._container)
        self.wait()

    def agent(self) -> str:
        return self.sh("systemctl is-active ecs.service", check=False)

    def since(self, unit: str) -> int:
        """Microseconds from the start of the system to this unit's."""
        return int(self.sh(f"systemctl show --value -p ActiveEnterTimestampMonotonic {unit}"))

    def console(self) -> str:
        return docker("logs", self._container)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    """The parts of the user data that Terraform makes."""
    folder = copy_modules(tmp_path_factory.mktemp("batch") / "terraform") / "modules" / "batch"
    init(folder, None, "-backend=false")
    said = subprocess.run(
        ["terraform", f"-chdir={folder}", "console"],
        input="base64encode(local.user_data)",
        capture_output=True,
        text=True,
        check=True,
    )
    text = base64.b64decode(json.loads(said.stdout)).decode("ascii")
    assert len(text) < 16 * 1024, "EC2 takes no more"
    found = message_from_string(text).get_payload()
    assert isinstance(found, list)
    return [each for each in found if isinstance(each, Message)]


@pytest.fixture(scope="module")
def machine_image(base_image: str) -> str:
    name = "explorer-jobs-machine"
    docker("build", "--quiet", f"--tag={name}", f"--build-arg=BASE_IMAGE={base_image}", HERE)
    return name


@pytest.fixture
def start(machine_image: str, tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Start a machine with these parts of user data beside Batch's own, with or without a volume."""
    containers = []

    def started(parts: list[Message], volume: bool) -> Machine:
        whole = MIMEMultipart()
        for each in (MIMEText(BATCHS_OWN, "x-shellscript", "us-ascii"), *parts):
            whole.attach(each)
        (tmp_path / "user-data").write_text(whole.as_string())
        options = ("--tty", "--cap-add=NET_ADMIN", "--user=0", "--stop-signal=SIGRTMIN+3")
        container = docker("create", *SYSTEMD, *options, machine_image)
        containers.append(container)
        docker("cp", tmp_path / "user-data", f"{container}:/var/lib/cloud/seed/nocloud/user-data")
        if volume:
            with open(tmp_path / "volume", "wb") as file:
                file.truncate(400 << 20)
            docker("cp", tmp_path / "volume", f"{container}:/volume")
        docker("start", container)
        machine = Machine(container)
        machine.wait()
        return machine

    yield started
    for each in containers:
        Machine(each).sh("umount /mnt/explorer; losetup --detach /dev/xvdb", check=False)
        docker("rm", "--force", each)


def test_a_machine_is_prepared_before_its_agent_at_every_start(
    start: Callable[..., Machine], parts: list[Message]
):
    machine = start(parts, volume=True)
    machine.sh("echo kept >/mnt/explorer/note; touch /before")
    for _ in range(2):
        assert machine.agent() == "active"
        assert machine.sh("mountpoint -q /mnt/explorer && stat -c %a /mnt/explorer") == "1777"
        assert machine.sh("cat /mnt/explorer/note") == "kept"
        assert machine.sh("iptables --list-rules OUTPUT | grep -c 169.254.169.254") == "1"
        assert machine.sh("sort /etc/ecs/ecs.config | uniq --repeated") == ""
        assert machine.since("explorer-machine") < machine.since("ecs")
        machine.restart()
    assert machine.sh("grep --count ECS_CLUSTER=batch /etc/ecs/ecs.config") == "1"


def check_kept_away(machine: Machine) -> None:
    assert machine.sh("systemctl is-enabled ecs.service", check=False) == "masked"
    assert machine.agent() == "inactive"
    assert "this machine could not be prepared, so it gets no jobs" in machine.console()
    machine.restart()
    assert machine.agent() == "inactive"


def test_a_machine_without_its_disk_gets_no_jobs(start: Callable[..., Machine], parts: list[Message]):
    machine = start(parts, volume=False)
    assert "explorer: no disk for jobs" in machine.console()
    check_kept_away(machine)


def test_a_machine_whose_files_were_not_written_gets_no_jobs(
    start: Callable[..., Machine], parts: list[Message]
):
    scripts = [each for each in parts if each.get_content_type() == "text/x-shellscript"]
    check_kept_away(start(scripts, volume=True))


def test_a_machine_that_loses_its_disk_later_gets_no_more_jobs(
    start: Callable[..., Machine], parts: list[Message]
):
    machine = start(parts, volume=True)
    assert machine.agent() == "active"
    machine.sh("umount /mnt/explorer; losetup --detach $(readlink /dev/xvdb); rm /volume")
    machine.restart()
    assert machine.agent() == "inactive"
