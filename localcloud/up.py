"""``python -m localcloud.up``: a local cloud in the background, with bucket, queue and image in place.

It writes .cloud/env, which points ``explorer``, boto3 and any script at it. ``down`` ends it.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from explorer_runner.format.payload import python_minor
from gencove_explorer.executors.host.container import default_tag
from gencove_explorer.executors.host.ipython_copy import copy_ipython
from gencove_explorer.executors.host.runtime import find_runtime
from localcloud.images import ROOT, NoDockerError, build_runner, docker, find_base, id_of, require_docker
from localcloud.provision import provision, push
from localcloud.run import RunningCloud, free_port, start_processes

FOLDER = ROOT / ".cloud"
STATE = FOLDER / "state.json"
_NO_IMAGE = "sha256:" + "0" * 64


def up() -> None:
    """Start it, unless it answers already."""
    if STATE.exists():
        print("the local cloud is up already: source .cloud/env (make cloud-down ends it)")
        return
    FOLDER.mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    try:
        require_docker()
        image = build_runner(find_base())
        state = _start_containers(port)
        image_id = id_of(image)
        kind = "in containers of the runner image"
    except NoDockerError as error:
        print(
            f"{error}\n=> jobs will run as processes of this machine: no images, no limits", file=sys.stderr
        )
        home = FOLDER / "home"
        server, _ = start_processes(FOLDER, port, find_runtime(home), {"EXPLORER_SHELL": copy_ipython(home)})
        state = {"pid": server.pid, "started": time.time()}
        image_id = _NO_IMAGE
        kind = "as processes"
    STATE.write_text(json.dumps(state))
    cloud = RunningCloud(f"http://127.0.0.1:{port}")
    cloud.wait()
    variables = provision(cloud.endpoint)
    push(cloud.endpoint, default_tag(python_minor()), image_id)
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    (FOLDER / "env").write_text("".join(lines))
    print(f"the local cloud is up; its jobs run {kind}. Now: source .cloud/env; explorer doctor")


def down() -> None:
    """End it, and remove all that it held."""
    if not STATE.exists():
        print("the local cloud is not up")
        return
    state = json.loads(STATE.read_text())
    if "pid" in state:
        _end(state["pid"])
    else:
        _compose(state["variables"], "down", "--volumes")
        left = docker("ps", "--all", "--quiet", "--filter", f"network={state['network']}").split()
        if left:
            docker("rm", "--force", *left)
        # What jobs wrote belongs to their user: a container may remove it.
        disk = state["variables"]["EXPLORER_CLOUD_DISK"]
        docker("run", "--rm", "--user=0", f"--volume={disk}:/disk", state["image"], "rm", "-rf", "/disk/mnt")
    shutil.rmtree(FOLDER)
    print("the local cloud is down")


def _start_containers(port: int) -> dict[str, object]:
    disk = FOLDER / "disk"
    disk.mkdir(exist_ok=True)
    network = f"explorer-cloud-{os.getpid()}"
    variables = {
        "EXPLORER_CLOUD_BASE": find_base(),
        "EXPLORER_CLOUD_DISK": str(disk),
        "EXPLORER_CLOUD_NETWORK": network,
        "EXPLORER_CLOUD_PORT": str(port),
    }
    _compose(variables, "up", "--build", "--detach")
    return {"variables": variables, "network": network, "image": f"{variables['EXPLORER_CLOUD_BASE']}"}


def _compose(variables: dict[str, str], *arguments: str) -> None:
    command = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    file = str(Path(__file__).with_name("compose.yaml"))
    name = variables["EXPLORER_CLOUD_NETWORK"]
    done = subprocess.run(
        [*command, "--project-name", name, "--file", file, *arguments],
        env={**os.environ, **variables, "DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} {arguments[0]} failed:\n{done.stdout}{done.stderr}")


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]]()
