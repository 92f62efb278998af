"""What cloud-init is given makes a notebook host: checked by its schema, then run under systemd.

In a container, where AWS and Docker are stand-ins (tests/host/machine); volume, file system, units, scripts,
JupyterLab and git are real.
"""

import json
import shlex
import subprocess

import pytest

from support.machines import HOME, Machine
from support.waiting import eventually

pytestmark = pytest.mark.timeout(600)

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/demo-notebook"
CELL = """
import glob, sys
from jupyter_client import BlockingKernelClient
(file,) = glob.glob("/srv/explorer/home/.local/share/jupyter/runtime/kernel-*.json")
client = BlockingKernelClient(connection_file=file)
client.load_connection_file(); client.start_channels(); client.wait_for_ready(timeout=60)
client.execute_interactive(sys.argv[1])
"""
JOB = """
from gencove_explorer.analysis import Analysis
def work(ac):
    import os, time
    while os.path.exists("/standin/hold"): time.sleep(0.1)
print(Analysis(input=1, function=work).run())
"""


def test_cloud_init_takes_it(machine: Machine, user_data: str):
    assert "Valid cloud-config" in machine.run("cloud-init", "schema", "--config-file", "/user-data")
    assert len(subprocess.run(["gzip", "-c"], input=user_data.encode(), capture_output=True).stdout) < 12_000
    failed = machine.run("systemctl", "list-unit-files", "explorer-*", "--no-legend")
    for unit in ("explorer-home.service", "explorer-notebook.service", "explorer-idle.timer"):
        assert any(line.split()[:2] == [unit, "enabled"] for line in failed.splitlines()), failed
    assert (
        machine.sh("systemd-analyze verify /etc/systemd/system/explorer-* 2>&1 | grep explorer-", check=False)
        == ""
    )


def test_it_waits_for_an_image_and_then_answers_whoever_has_the_token(machine: Machine):
    said = "no image is named in /explorer/demo/notebook-image yet: make up pushes one and names it"
    eventually(lambda: said in machine.run("journalctl", "--no-pager", "--unit=explorer-notebook"))
    assert machine.sh("ls /standin").split() == ["aws.log", "explorer.toml", "repository"], "no token yet"
    older = f"{REPOSITORY}:0.0.9-py3.11"
    machine.sh(f"echo {older} >/standin/images; echo 0.1.0-py3.11 >/standin/tag")
    eventually(lambda: '"kernels"' in machine.ask("status"))
    code = machine.run(
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8888/api/status"
    )
    assert code == "403"
    token = machine.sh("cat /standin/token")
    assert len(token) == 48
    assert token not in machine.sh("cat /standin/aws.log /standin/docker.log; ps axww -o args")
    assert machine.sh("stat -c '%a %u' /srv/explorer /srv/explorer/home /srv/explorer/token").split() == [
        *("755", "0"),
        *("700", "1000"),
        *("400", "1000"),
    ]
    assert machine.sh("find /srv/explorer/home /srv/explorer/reconcile -user root") == ""
    machine.as_user("mkdir", "project")
    machine.sh(f"echo 'project = \"ours\"' >{HOME}/project/explorer.toml")
    settings = json.loads(machine.as_user("env", "-C", "project", "explorer", "config", "--json"))
    assert settings["project"]["source"] == f"{HOME}/project/explorer.toml"
    assert settings["executor"]["source"] == f"{HOME}/.config/explorer/explorer.toml", (
        "it does not hide these"
    )
    assert machine.sh("ls /srv/explorer/home/examples").split()[0] == "first-steps.ipynb"
    assert machine.sh("cat /standin/images") == f"{REPOSITORY}:0.1.0-py3.11", "others are removed"
    listening = machine.sh("cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"0A\" {print $2}'").split()
    assert [each for each in listening if each.endswith(":22B8")] == ["0100007F:22B8"]


def test_packages_are_installed_in_the_home_and_no_kernel_has_the_token(machine: Machine):
    eventually(lambda: '"kernels"' in machine.ask("status"))
    kernel = json.loads(machine.ask("kernels", "-X", "POST"))["id"]
    machine.as_user("python", "-c", CELL, "%pip install --quiet toolz")
    said = machine.as_user("python", "-c", CELL, "import toolz, boto3; print(toolz.__file__, boto3.__file__)")
    installed, image = said.split()
    assert installed.startswith("/srv/explorer/home/.kernel-3.11/lib/")
    assert image.startswith("/opt/notebook/lib/")
    variables = machine.as_user("python", "-c", CELL, "import os; print(dict(os.environ))")
    assert "JUPYTER_PATH" in variables
    assert machine.sh("cat /standin/token") not in variables
    machine.ask(f"kernels/{kernel}", "-X", "DELETE")


def test_the_branch_is_reconciled(machine: Machine):
    def history() -> str:
        return machine.sh(
            "cd /srv/explorer/reconcile/checkout && setpriv --reuid=1000 --regid=1000 --clear-groups "
            "env HOME=/srv/explorer/reconcile /opt/notebook/bin/explorer list --json"
        )

    machine.run("systemctl", "start", "explorer-reconcile.service")
    assert [each["name"] for each in json.loads(history())] == ["first"]
    machine.run("systemctl", "start", "explorer-reconcile.service")
    assert len(json.loads(history())) == 1
    machine.sh("cd /standin/repository && sed -i s/2/3/ manifests/first.yaml && git commit -qam two")
    machine.run("systemctl", "start", "explorer-reconcile.service")
    assert len(json.loads(history())) == 2


def test_it_stops_when_nobody_uses_it(machine: Machine):
    eventually(lambda: json.loads(machine.ask("kernels") or "0") == [])
    machine.sh("rm -f /run/explorer-used; systemctl start explorer-idle; test -e /run/explorer-used")
    assert not machine.stops(unused_hours=1)
    assert not machine.stops(), "the examples have just been written"
    machine.age_home()
    assert machine.stops(), "somebody's open tab has just asked for kernels, and that is no use"
    machine.ask("terminals", "-X", "POST")
    assert not machine.stops(), "a terminal has just said something"
    machine.ask("terminals/1", "-X", "DELETE")
    kernel = json.loads(machine.ask("kernels", "-X", "POST"))["id"]
    machine.sh("touch /standin/hold")
    hold = "import os, time\nwhile os.path.exists('/standin/hold'): time.sleep(0.1)"
    machine.sh(f"{shlex.join(machine.in_home('python', '-c', CELL, hold))} >/dev/null 2>&1 &")
    eventually(lambda: json.loads(machine.ask("kernels"))[0]["execution_state"] == "busy")
    machine.run("touch", "/standin/began")
    assert not machine.stops(), "a cell runs"
    machine.sh("test /run/explorer-used -nt /standin/began")
    machine.run("rm", "/standin/hold")
    machine.ask(f"kernels/{kernel}", "-X", "DELETE")
    eventually(lambda: json.loads(machine.ask("kernels")) == [])
    assert machine.stops()


def test_it_does_not_stop_under_jobs(machine: Machine):
    machine.run("touch", "/standin/hold")
    machine.as_user("python", "-c", JOB)
    machine.sh(f"echo 'executor = ' >{HOME}/explorer.toml")  # a typo of whoever lives there
    machine.age_home()
    assert not machine.stops()
    machine.run("rm", "/standin/hold")
    eventually(machine.stops)
    machine.run("rm", "/srv/explorer/home/explorer.toml")


def test_it_does_not_stop_while_it_reconciles(machine: Machine):
    hook = "/srv/explorer/reconcile/checkout/.git/hooks/post-checkout"
    machine.sh(
        f"printf '#!/bin/sh\nwhile [ -e /standin/hold ]; do sleep 0.1; done\n' >{hook}; chmod 755 {hook}"
    )
    machine.sh("touch /standin/hold; systemctl start --no-block explorer-reconcile")
    eventually(machine.is_reconciling)
    assert not machine.stops()
    machine.run("rm", "/standin/hold", hook)
    eventually(lambda: not machine.is_reconciling())
    machine.age_home()
    assert machine.stops()


def test_a_notebook_that_does_not_answer_is_no_sign_of_anything(machine: Machine):
    machine.run("systemctl", "stop", "explorer-notebook")
    assert not machine.stops(unused_hours=1)
    assert machine.stops()
    machine.run("systemctl", "start", "--no-block", "explorer-notebook")


def test_the_home_folder_and_the_token_outlive_the_machine(machine: Machine):
    eventually(lambda: '"kernels"' in machine.ask("status"))
    before = machine.sh(f"echo kept >{HOME}/note; cat /srv/explorer/token")
    # Whoever lives there may lay links; root follows none.
    machine.sh(f"mkdir /standin/roots; rm -rf {HOME}/.config; ln -s /standin/roots {HOME}/.config")
    machine.run("systemctl", "stop", "explorer-notebook", "explorer-home")
    # The local executor outlives the notebook that started it.
    machine.sh("for each in $(ps -u 1000 -o pid=); do kill $each; done", check=False)
    eventually(lambda: machine.sh("umount /srv/explorer; ls /srv/explorer", check=False) == "")
    machine.run("rm", "/standin/token")
    machine.sh("systemctl start explorer-home; systemctl start explorer-notebook")
    assert machine.sh(f"cat {HOME}/note") == "kept"
    assert machine.sh("stat -c %u /standin/roots; ls -A /standin/roots") == "0"
    eventually(lambda: machine.sh("cat /standin/token", check=False) == before)
    eventually(lambda: '"kernels"' in machine.ask("status"))


def test_a_container_that_has_the_name_still_keeps_nothing_from_starting(machine: Machine):
    eventually(lambda: '"kernels"' in machine.ask("status"))
    before = machine.run("systemctl", "show", "--property=MainPID", "explorer-notebook")
    machine.run("systemctl", "kill", "--signal=KILL", "explorer-notebook")
    machine.run("test", "-e", "/standin/explorer-notebook")
    eventually(lambda: machine.run("systemctl", "show", "--property=MainPID", "explorer-notebook") != before)
    eventually(lambda: '"kernels"' in machine.ask("status"))
