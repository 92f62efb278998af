"""A machine that cloud-init has set up as it does the notebook host, in a container under systemd."""

import shutil
from collections.abc import Iterator

import pytest
import yaml

from localcloud.images import ROOT, docker
from localcloud.run import serve_processes
from support.terraform import copy_modules, init, outputs, run
from support.waiting import eventually

SYSTEMD = (
    *("--cap-add=SYS_ADMIN", "--cap-add=MKNOD", "--security-opt=seccomp=unconfined", "--cgroupns=host"),
    *("--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw", "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp"),
    *("--device=/dev/loop-control", "--device-cgroup-rule=b 7:* rmw", "--env=container=docker"),
)
HOME = "/srv/explorer/home"
VOLUME = """
set -e
truncate -s 400M /volume
for number in 0 1 2 3 4 5 6 7; do [ -e /dev/loop$number ] || mknod /dev/loop$number b 7 $number; done
mkdir -p /dev/disk/by-id
. /etc/explorer/host.env
disk=nvme-Amazon_Elastic_Block_Store_$(echo $HOME_VOLUME | tr -d -)
losetup --find --show /volume >/loop
ln -s "$(cat /loop)" "/dev/disk/by-id/$disk"
"""
REPOSITORY = """
set -e
git config --global user.name test; git config --global user.email test@localhost
git config --system safe.directory '*'
mkdir -p /standin/repository/manifests && cd /standin/repository && git init -q -b main
printf 'def work(ac):\\n    ac.output.value("x", ac.input)\\n' >manifests/code.py
printf 'version: 1\\nname: first\\nfunction: code.py:work\\ninput: [1, 2]\\n' >manifests/first.yaml
git add -A; git commit -qm one
"""


class Machine:
    """A container that plays the host."""

    def __init__(self, container: str) -> None:
        self._container = container

    def run(self, *command: str, check: bool = True) -> str:
        return docker("exec", self._container, *command, check=check)

    def sh(self, script: str, check: bool = True) -> str:
        return self.run("bash", "-c", script, check=check)

    def ask(self, path: str, *options: str) -> str:
        """What JupyterLab answers to whoever has the token; nothing while it is not there."""
        token = self.sh("cat /standin/token", check=False)
        return self.run(
            *("curl", "-s", "-H", f"Authorization: token {token}", *options),
            f"http://127.0.0.1:8888/api/{path}?no_track_activity=1",
            check=False,
        )

    def in_home(self, *command: str) -> tuple[str, ...]:
        """A command as somebody runs it in the notebook's container."""
        user = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups")
        return (*user, "env", "-C", HOME, f"HOME={HOME}", "PATH=/opt/notebook/bin:/usr/bin:/bin", *command)

    def as_user(self, *command: str) -> str:
        return self.run(*self.in_home(*command))

    def stops(self, unused_hours: int = 3) -> bool:
        """Look whether it is idle, as last seen in use so many hours ago; whether that stops the machine."""
        self.run("touch", "-d", f"{unused_hours} hours ago", "/run/explorer-used")
        self.sh("systemctl reset-failed explorer-idle; systemctl start explorer-idle")
        return self.sh("cat /standin/shutdown.log 2>/dev/null; rm -f /standin/shutdown.log") == "-h now"

    def age_home(self) -> None:
        """As if nobody had written a file of the home for hours; hidden folders are as they are."""
        self.sh(f"find {HOME} -name '.?*' -prune -o -type f -exec touch -d '4 hours ago' {{}} +")

    def is_reconciling(self) -> bool:
        return self.run("systemctl", "is-active", "explorer-reconcile", check=False) == "activating"


@pytest.fixture(scope="module")
def user_data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What Terraform gives cloud-init."""
    folder = tmp_path_factory.mktemp("host")
    modules = copy_modules(folder / "modules")
    ground = folder / "ground"
    ground.mkdir()
    shutil.copytree(modules / "modules", ground / "modules")
    shutil.copy2(ROOT / "tests/host/ground.tf", ground)
    with serve_processes(folder, "none", {}) as cloud:
        variables = {
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_ACCESS_KEY_ID": "admin",
            "AWS_SECRET_ACCESS_KEY": "admin",
        }
        init(ground, variables)
        # What its text is made of; the machine itself is tests/infra/test_stack.py's.
        run(ground, "apply", "-auto-approve", "-target=terraform_data.user_data", variables=variables)
        return str(outputs(ground, variables)["user_data"])


@pytest.fixture(scope="module")
def machine(
    notebook_image: str, user_data: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A machine that cloud-init has set up; its services wait for an image."""
    docker(
        *("build", "--quiet", "--tag=explorer-machine", f"--build-arg=NOTEBOOK_IMAGE={notebook_image}"),
        *("--file", ROOT / "tests/host/machine/Dockerfile", ROOT),
    )
    file = tmp_path_factory.mktemp("machine") / "user-data"
    file.write_text(user_data)
    container = docker("run", "--detach", *SYSTEMD, f"--volume={file}:/user-data:ro", "explorer-machine")
    try:
        machine = Machine(container)
        eventually(lambda: machine.run("systemctl", "is-system-running", check=False) == "running")
        machine.run(
            "cloud-init",
            "--file",
            "/user-data",
            "single",
            "--name",
            "cc_write_files",
            "--frequency",
            "always",
        )
        machine.sh("printf 'executor = \"local\"\\n' >/standin/explorer.toml")
        machine.sh(VOLUME)
        machine.sh(REPOSITORY)
        for command in yaml.safe_load(user_data)["runcmd"]:
            machine.run(*command)
        # Tests start what they start.
        machine.run("systemctl", "stop", "explorer-idle.timer", "explorer-reconcile.timer")
        yield machine
        print(machine.run("journalctl", "--no-pager", "--unit=explorer-*", "--lines=60", check=False))
        machine.sh(
            "systemctl stop explorer-notebook explorer-home; umount /srv/explorer; losetup -d $(cat /loop)",
            check=False,
        )
    finally:
        docker("rm", "--force", container)
