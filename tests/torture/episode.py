"""One episode: clients and weather, then calm, and what must hold."""

import os
import random
import subprocess
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from explorer_runner.stores.folder import FolderStore
from explorer_runner.system.processes import become_subreaper
from gencove_explorer.analysis import Analysis
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.executors.local.sweeper import DAY_SECONDS, Sweeper
from gencove_explorer.job_manager import JobManager
from gencove_explorer.session import Session
from gencove_explorer.settings import Settings
from torture import invariants
from torture.ground import prepare
from torture.victims import Victims, reap
from torture.weather import LARGE, SCENES, SWEPT, Action, Weather, plan_actions
from torture.workload import REFUSED, Call, command, doom, plan_calls

CALM_SECONDS = 90.0
"""How long anything may take to end when the weather is over: a bound, far above what it takes."""
_LONG_SECONDS = 20.0
"""After how long it is told what is waited for."""
_RETRIES = 8


@dataclass
class Client:
    """A process that makes one call."""

    call: Call
    process: subprocess.Popen[bytes]
    output: Path


@dataclass
class Episode:
    """See the module. ``folder`` is where it lies; on a small disk ``disk`` is where that is mounted."""

    seed: int
    kinds: list[str]
    seconds: float
    """How long its weather lasts."""
    folder: Path
    scene: str
    large: bool
    """Whether payloads are large."""
    swept: bool
    """Whether clients are killed as they write, and leftovers in the store count."""
    violations: list[str] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    def run(self) -> list[str]:
        """Returns what did not hold."""
        become_subreaper()
        with ExitStack() as stack:
            self.ground = prepare(self.folder, self.scene, stack)
            dice = random.Random(self.seed)
            os.environ["EXPLORER_IDLE_SECONDS"] = dice.choice(["0.3", "300"])
            calls = plan_calls(dice, self.seconds)
            actions = plan_actions(dice, self.kinds, self.seconds)
            calls = doom(dice, calls) if self.swept else calls
            proxy = self.ground.proxy
            weather = Weather(Victims(), self.ground.store, self.ground.disk, proxy)
            sampler = invariants.Sampler()
            try:
                self._endure(calls, actions, weather, sampler)
                self._calm_down(sampler)
            except Exception:
                self.violations.append(traceback.format_exc())
            self.violations += sampler.violations
            (self.folder / "weather.txt").write_text("\n".join(weather.log))
            refused = sum(client.process.returncode == REFUSED for client in self.clients)
            met = dict(proxy.met) if proxy else ""
            print(
                f"{len(calls)} calls ({refused} refused), {dict(weather.done)}, {sampler.looks} looks",
                met,
            )
            self._end_all()
        return self.violations

    # -- the weather --------------------------------------------------------------------------------

    def _endure(
        self, calls: list[Call], actions: list[Action], weather: Weather, sampler: invariants.Sampler
    ) -> None:
        # There is always something to hit; and a store that nobody has used is none that can be away.
        first = {
            "name": "first",
            "inputs": [(1.0, False)] * int(6 * self.seconds),
            "retries": 1,
            "then": "each",
        }
        self._start(Call(0.0, "submit", first))
        self._await("clients have not ended", self._clients_ended, sampler)
        begin = time.monotonic()
        due: list[tuple[float, Callable[[], None]]] = []
        at = 0.0
        for call in calls:
            at += call.after
            due.append((at, lambda call=call: self._start(call)))
        at = 0.0
        for action in actions:
            at += action.after
            due.append((at, lambda action=action: weather.carry_out(action)))
        due.sort(key=lambda item: item[0])
        try:
            while due or time.monotonic() - begin < self.seconds:
                while due and due[0][0] <= time.monotonic() - begin:
                    due.pop(0)[1]()
                weather.clear_up()
                sampler.look()
                reap(self._own())
                time.sleep(0.02)
        finally:
            weather.clear_up(entirely=True)

    def _start(self, call: Call, *, rough: bool = True) -> None:
        output = self.folder / f"client-{len(self.clients)}.txt"
        with open(output, "wb") as file:
            process = subprocess.Popen(
                command(call, self.ground.config(large=self.large)),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(self.ground.variables if rough else {})},
                cwd=self.ground.temporary,
            )
        self.clients.append(Client(call, process, output))

    def _own(self) -> set[int]:
        return {client.process.pid for client in self.clients}

    # -- the calm -----------------------------------------------------------------------------------

    def _calm_down(self, sampler: invariants.Sampler) -> None:
        self._await("clients have not ended", self._clients_ended, sampler)
        self._check_clients()
        self.ground.flag.touch()
        for number in range(_RETRIES):
            self._await("analyses have not ended", self._all_ended, sampler)
            failed = [found for found in self._analyses() if self._failed(found, first=number == 0)]
            if not failed:
                break
            for analysis in failed:
                analysis.retry_failed()
        else:
            self.violations.append(f"after {_RETRIES} retries in good weather jobs still fail")
        self._sweep(sampler)
        self._check(sampler)

    def _await(self, otherwise: str, holds: Callable[[], list[str]], sampler: invariants.Sampler) -> None:
        """Wait until nothing is left to wait for, and look meanwhile."""
        begin = time.monotonic()
        told = False
        while left := holds():
            passed = time.monotonic() - begin
            if passed > CALM_SECONDS:
                raise TimeoutError(f"{otherwise} {CALM_SECONDS:g} s after the weather: {left}")
            if passed > _LONG_SECONDS and not told:
                told = True
                print(f"{otherwise} {_LONG_SECONDS:g} s after the weather: {left}", flush=True)
            sampler.look()
            reap(self._own())
            time.sleep(0.05)

    def _clients_ended(self) -> list[str]:
        return [f"{each.call}" for each in self.clients if each.process.poll() is None]

    def _check_clients(self) -> None:
        """A call ends well, or with an error of ours in such weather, or was killed."""
        for client in self.clients:
            code, output = client.process.returncode, client.output.read_text()
            if code > 0 and code != REFUSED:
                self.violations.append(f"{client.call.what} raised no error of ours: {output}")
            if code == REFUSED and not self.kinds:
                self.violations.append(f"{client.call.what} was refused in good weather: {output}")

    def _analyses(self) -> list[Analysis]:
        return list(JobManager().list_jobs())

    def _all_ended(self) -> list[str]:
        LocalExecutor(Settings.load()).wake()
        return [
            f"{found.id}: {observed.counts}, {observed.reason}"
            for found in self._analyses()
            if not (observed := found._submitted().observe()).finished
        ]

    def _failed(self, analysis: Analysis, *, first: bool) -> bool:
        stored = analysis._submitted()
        observed = stored.observe()
        failed = observed.indices("FAILED")
        allowed = [*self.kinds, *([SWEPT] if self.swept else [])]
        unexplained: dict[str, list[int]] = {}
        for index in failed:
            reason = invariants.why_not_allowed(stored.reason_of(observed, index), allowed if first else [])
            if reason is not None:
                unexplained.setdefault(reason, []).append(index)
        for reason, indices in unexplained.items():
            self.violations.append(
                f"{stored.id}, jobs {indices}, failed, which no weather explains: {reason}"
            )
        return bool(failed)

    def _sweep(self, sampler: invariants.Sampler) -> None:
        """What sweeps: a run_local, and a scheduler that starts."""
        self._start(Call(0.0, "local", {"name": "last", "inputs": [(0.0, False)]}), rough=False)
        self._await("clients have not ended", self._clients_ended, sampler)
        executor = LocalExecutor(Settings.load())
        executor.stop()
        executor.start()
        queue = executor.queue
        self._await(
            "the executor does not settle", lambda: sorted(map(str, queue.accepted.iterdir())), sampler
        )
        executor.stop()
        self._await("processes are left", self._orphans, sampler)

    def _orphans(self) -> list[str]:
        below = psutil.Process().children(recursive=True)
        found = []
        for process in below:
            try:
                if "moto.server" not in (words := process.cmdline()):
                    found.append(f"{process.pid} {process.status()} {' '.join(words)}"[:200])
            except psutil.Error:
                continue
        return found

    def _check(self, sampler: invariants.Sampler) -> None:
        analyses, session = self._analyses(), Session()
        listed = {found.id for found in analyses}
        for client in self.clients:
            if client.process.returncode == 0 and client.call.what in ("submit", "local"):
                lines = [line for line in client.output.read_text().splitlines() if "_" in line]
                lost = [word for word in lines[-1].split() if word not in listed]
                self.violations += [f"{lost} were submitted, and are lost"] if lost else []
        self.violations += invariants.check_executions(self.ground.witness, analyses)
        self.violations += invariants.check_outputs(analyses, session)
        self._sweep_tomorrow()
        self.violations += invariants.check_left(self.ground.home, self.ground.store, self.ground.temporary)
        self.violations += invariants.check_one_store(self.ground.store)
        if self.swept:
            self._start(Call(0.0, "delete", dies_at=1 + self.seed % 9), rough=False)
            self._await("clients have not ended", self._clients_ended, sampler)
        for analysis in sorted(self._analyses(), key=lambda found: found.id, reverse=True):
            analysis.delete()
        self._sweep_tomorrow()
        left = {name for store in session.stores for name in store.list_folders("analyses")}
        self.violations += [f"deleted, and still in the store: {left & listed}"] if left & listed else []

    def _sweep_tomorrow(self) -> None:
        """Sweep as on the next day."""
        queue = LocalExecutor(Settings.load()).queue
        for path in [*queue.new.glob(".*"), *queue.requests.glob(".*")]:
            os.utime(path, (0.0, 0.0))
        sweeper = Sweeper(queue, lambda: time.time() + DAY_SECONDS + 1)
        sweeper.sweep_home()
        sweeper.sweep_stores([FolderStore(str(self.ground.store))])  # on S3 that of run_local
        if self.swept:
            self.violations += invariants.check_swept(self.ground.store)

    def _end_all(self) -> None:
        """End whatever is left, by its pid: only what descends from us."""
        for process in psutil.Process().children(recursive=True):
            try:
                if "moto.server" not in process.cmdline():
                    process.kill()
            except psutil.Error:
                pass


def scene_of(seed: int, scenes: list[str]) -> str:
    return scenes[seed % len(scenes)]


def main(seed: int, scene: str, kinds: list[str], seconds: float, folder: Path) -> int:
    """Run one episode in this process, and say what did not hold."""
    weather = [kind for kind in SCENES[scene] if kind in kinds]
    violations = Episode(seed, weather, seconds, folder, scene, LARGE in kinds, SWEPT in kinds).run()
    for violation in dict.fromkeys(violations):
        print(f"VIOLATION: {violation}", flush=True)
    return 1 if violations else 0
