"""Fork hooks: held back in the forker, registered in a job, so that a job may fork with threads and logs."""

import subprocess
import sys

import pytest

LOAD = "from explorer_runner.forker.start import main\nfrom explorer_runner.forker import fork_hooks\n"
# A thread holds a handler's lock while the process forks; the child asks both modules how they are.
FORK = """
import logging, os, signal, threading
logging.basicConfig()
ready, done = threading.Event(), threading.Event()
def hold():
    with logging.root.handlers[0].lock:
        ready.set()
        done.wait()
threads = [threading.Thread(target=hold), threading.Thread(target=done.wait)]
for thread in threads:
    thread.start()
ready.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    if threading.active_count() != 1 or threading.current_thread() is not threading.main_thread():
        os._exit(3)
    logging.warning("from the child")
    thread = threading.Thread(target=logging.warning, args=["from its thread"])
    thread.start()
    thread.join()
    os._exit(0)
done.set()
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
for thread in threads:
    thread.join()
sys.exit(code)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-s", "-c", f"import sys\n{code}"], capture_output=True, text=True, timeout=60
    )


def test_a_job_that_forks_with_threads_works():
    done = run(f"{LOAD}fork_hooks.register()\n{FORK}")
    assert done.returncode == 0, done.stderr
    assert "from the child" in done.stderr
    assert "from its thread" in done.stderr


def test_in_the_forker_itself_the_hooks_are_not_registered():
    """What the test above would miss if the hooks were never held back."""
    done = run(f"{LOAD}{FORK}")
    assert done.returncode == 3, done.stderr


def test_the_hooks_of_threading_and_logging_are_those_held_back():
    code = """
for hooks in fork_hooks._held_back:
    print(*sorted(f"{when}:{hook.__module__}" for when, hook in hooks.items()))
"""
    done = run(f"{LOAD}{code}")
    assert done.stdout.splitlines() == [
        "after_in_child:threading",
        "after_in_child:logging after_in_parent:logging before:logging",
    ]


def test_hooks_of_modules_that_a_job_imports_are_registered_at_once():
    code = """
import random, os
first = random.random()
random.seed(1)
reader, writer = os.pipe()
for n in range(2):
    if os.fork() == 0:
        os.write(writer, f"{random.random()}\\n".encode())
        os._exit(0)
    os.wait()
a, b = os.read(reader, 1000).split()
if a == b:
    sys.exit("two forks drew the same number")
"""
    done = run(f"{LOAD}fork_hooks.register()\n{code}")
    assert done.returncode == 0, done.stderr


def test_the_forker_holds_no_module_whose_hook_its_jobs_need_at_their_own_fork():
    """random is seeded anew in a fork's child: held back, all jobs would draw the same numbers."""
    done = run(f"{LOAD}print([name for name in ('random', 'ssl', 'asyncio') if name in sys.modules])")
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("fails", [False, True])
def test_registering_is_itself_again_afterwards(fails: bool):
    code = f"""
import os
from explorer_runner.forker.fork_hooks import held_back
register = os.register_at_fork
try:
    with held_back():
        os.register_at_fork(before=lambda: print("held back"))
        if {fails}:
            raise ValueError
except ValueError:
    pass
if os.register_at_fork is not register:
    sys.exit("it is not")
if os.fork() == 0:
    os._exit(0)
os.wait()
"""
    done = run(code)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
