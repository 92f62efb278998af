"""What machines of jobs are told when they start, run as root of a container with a network of its own."""

import subprocess

import pytest

from terraform import MODULES

AGENT = MODULES / "modules" / "batch" / "agent.sh"

# The address of EC2's metadata is this container's, with a server behind it; ECS's folder is there.
MACHINE = """
apt-get update -qq && apt-get install -y -qq iproute2 iptables >/dev/null 2>&1
ip addr add 169.254.169.254/32 dev lo
mkdir -p /etc/ecs && echo ECS_CLUSTER=batch >/etc/ecs/ecs.config
python3 -m http.server 80 >/dev/null 2>&1 &
until python3 -c 'import socket; socket.create_connection(("127.0.0.1", 80))' 2>/dev/null; do sleep 0.1; done
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
cat /etc/ecs/ecs.config
"""

pytestmark = [pytest.mark.container, pytest.mark.timeout(300)]


def test_a_job_is_kept_from_the_machines_role(base_image: str):
    options = ["--rm", "--interactive", "--user=0", "--cap-add=NET_ADMIN", f"--volume={AGENT}:/agent.sh:ro"]
    done = subprocess.run(
        ["docker", "run", *options, base_image, "bash", "-e"], input=MACHINE, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "user 0 is let through",
        "user 1000 is refused",
        "ECS_CLUSTER=batch",
        "ECS_DISABLE_PRIVILEGED=true",
        "ECS_IMAGE_PULL_BEHAVIOR=once",
    ]
