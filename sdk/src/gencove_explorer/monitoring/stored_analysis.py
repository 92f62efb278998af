"""An analysis in the store: its state, its outputs, its failures. Nothing is unpickled for it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from explorer_runner.attempt import claim
from explorer_runner.errors import CorruptPayload, ExplorerError, NotFinished
from explorer_runner.format import payload
from explorer_runner.format.keys import (
    FAILED,
    SUCCEEDED,
    OutcomeName,
    analysis_prefix,
    index_key,
    logs_prefix,
    round_key,
    rounds_prefix,
)
from explorer_runner.format.names import parse_id
from explorer_runner.format.outcome import Outcome
from explorer_runner.format.payload import DependencyRef, Payload
from explorer_runner.format.reused import Origin, Reused
from explorer_runner.results import JobOutput, Results, check_index, outcome_names
from explorer_runner.stores.base import Store
from gencove_explorer.errors import InUse, JobFailed, NoSuchAnalysis
from gencove_explorer.executors.base import Executor
from gencove_explorer.monitoring.reports import Failures, Status, group_failures
from gencove_explorer.records.closed import read_closed
from gencove_explorer.records.index import IndexRecord, find
from gencove_explorer.records.reuse_index import (
    Entry,
    begin_deleting,
    end_deleting,
    forget_round,
    give_back,
)
from gencove_explorer.records.round import RoundRecord, Rounds, read_rounds
from gencove_explorer.records.states import (
    NOT_RUN,
    PENDING,
    RUNNABLE,
    SUBMITTED,
    JobStates,
    read_states,
    status_dict,
)
from gencove_explorer.utils.user import user_name

_WAITING = (SUBMITTED, PENDING, RUNNABLE)
"""States that an executor's reason is about: of the others' jobs it says nothing."""


@dataclass
class StoredAnalysis:
    """An analysis as its store has it, opened by monitoring.lookup; ``Analysis`` asks it for everything.

    Looking at it may write down why jobs ended that left no outcome, and nothing else.
    """

    store: Store
    record: IndexRecord
    executor_named: Callable[[str], Executor]
    """Opens the executor that a round was submitted to."""
    downloads: str
    fault: ExplorerError | None = None
    """Why its index record cannot be read; ``record`` then has what the id tells."""
    _rounds: Rounds | None = None

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def executor(self) -> Executor:
        """The executor of the last round."""
        return self.executor_named(self.rounds[-1].executor)

    @property
    def rounds(self) -> Rounds:
        """All rounds, those that others have added too; each record is read once."""
        if self.fault is not None:
            raise self.fault
        self._rounds = read_rounds(self.store, self.id, self._rounds)
        if not self._rounds:
            raise NoSuchAnalysis(
                f"{self.id} is not in the store {self.store.uri} any more: it was deleted. If it is still "
                f"listed, its deletion was ended: explorer delete {self.id}"
            )
        return self._rounds

    @property
    def ref(self) -> DependencyRef:
        """What an analysis that depends on it stores of it."""
        record = self.record
        return DependencyRef(
            name=record.name, id=record.id, array=record.array, jobs=record.jobs, reused=record.reused > 0
        )

    @property
    def reused(self) -> Reused:
        """The jobs whose results lie in other analyses."""
        return (self._rounds or self.rounds).reused if self.record.reused else Reused()

    def origin_of(self, index: int) -> Origin | None:
        """The attempt of another analysis whose results a job has; None of a job that was run."""
        return self.reused.origins.get(index)

    @property
    def whole(self) -> bool:
        """Whether all its jobs were submitted: run_local may have been asked for one of an array."""
        return self.record.executor != "foreground" or self.rounds[0].jobs == self.record.jobs

    # -- state --------------------------------------------------------------------------------------

    def observe(self, job_index: int | None = None) -> JobStates:
        """The state of every job, as of now; of those that wait only ``job_index`` may be exact."""
        observed = self._look(job_index)
        if observed.unsubmitted:
            observed = self._look(job_index)  # the executor may just have written down why they failed
        return observed

    def _look(self, job_index: int | None) -> JobStates:
        rounds = self.rounds
        names = outcome_names(self.store, self.id)
        return read_states(
            self.record.jobs,
            rounds,
            names,
            read_closed(self.store, self.id),
            lambda open_jobs: self._ask(rounds, names, open_jobs, job_index),
        )

    def _ask(
        self,
        rounds: Rounds,
        names: Sequence[OutcomeName],
        open_jobs: list[int],
        job_index: int | None,
    ) -> tuple[Mapping[int, str], str | None]:
        """What the executors see of open jobs: each those whose last round it runs."""
        states: dict[int, str] = {}
        reason = None
        for name, indices in rounds.by_executor(open_jobs).items():
            own_states, why = self.executor_named(name).job_states(rounds, names, indices, job_index)
            states.update(own_states)
            reason = reason or why
        return states, reason

    def executor_of(self, index: int) -> Executor:
        """The executor of a job's last round."""
        by_executor = (self._rounds or self.rounds).by_executor([index])
        return self.executor_named(next(iter(by_executor))) if by_executor else self.executor

    def status(self, job_index: int | None = None) -> dict[str, Any]:
        """What ``Analysis.status`` returns."""
        if job_index is not None:
            check_index(job_index, self.record.jobs, self.record.name)
        observed = self.observe(job_index)
        if job_index is None:
            facts = status_dict(observed, self.record.array, self._reason(observed))
            if self.record.reused:
                facts["reused"] = self.record.reused
            rounds = self._rounds or self.rounds
            if len(rounds) > 1:
                facts["rounds"] = _history(rounds)
            return Status(facts)
        status = Status(status=observed.states[job_index])
        origin, reason = self.origin_of(job_index), self.reason_of(observed, job_index)
        if origin is not None:
            status["reused"] = f"job {origin.attempt.index} of {origin.analysis}"
        return Status(status, reason=reason) if reason else status

    def reason_of(self, observed: JobStates, index: int) -> str | None:
        """Why a job failed, or why it waits."""
        state = observed.states[index]
        if state == FAILED and index in observed.outcomes:
            return observed.close_reason(index) or self.outcome(observed, index).reason
        if state == FAILED:
            return observed.close_reason(index)
        return observed.reason if state in _WAITING else None

    def _reason(self, observed: JobStates) -> str | None:
        if observed.state == FAILED:
            failed = observed.indices(FAILED)
            first = self.reason_of(observed, failed[0])
            if not self.record.array:
                return first
            return f"{len(failed):,} of {observed.submitted:,} jobs failed; job {failed[0]}: {first}"
        return observed.reason if observed.indices(*_WAITING) else None

    def outcome(self, observed: JobStates, index: int) -> Outcome:
        """The outcome that counts for a job, which has one."""
        return self.results.outcome(observed.outcomes[index])

    def terminate(self, indices: Sequence[int] | None = None) -> None:
        """End jobs that have not ended (None: all)."""
        open_jobs = self.observe().unfinished
        chosen = open_jobs if indices is None else [index for index in indices if index in set(open_jobs)]
        rounds = self.rounds
        by_executor = rounds.by_executor(chosen)
        for name, jobs in by_executor.items():
            every = indices is None and len(by_executor) == 1
            reason = f"Terminated by {user_name()}"
            self.executor_named(name).terminate(rounds, None if every else jobs, reason)

    # -- outputs ------------------------------------------------------------------------------------

    @cached_property
    def results(self) -> Results:
        if self.fault is not None:
            raise self.fault
        record = self.record
        return Results(
            self.store,
            self.id,
            name=record.name,
            jobs=record.jobs,
            array=record.array,
            downloads=self.downloads,
            reused=self.reused,
        )

    def get_output(self, job_index: int | None = None) -> JobOutput:
        """The outputs of one job. Raises NotFinished with its state, or JobFailed with its traceback."""
        try:
            return self.results.get_output(job_index)
        except NotFinished as error:
            index = job_index or 0
            observed = self.observe(index)
            state = observed.states[index]
            if state == FAILED:
                raise self.job_failed(observed, index) from None
            if state == NOT_RUN:
                raise NotFinished(f"job {index} of {self.id} was not run: it was left out") from None
            if state == SUCCEEDED:  # it ended between the two looks
                return self.results.get_output(index)
            raise NotFinished(
                f"{self._job(index)} is {state}, so there is no output yet: wait_done() waits for it"
            ) from error

    def require_success(self, observed: JobStates | None = None, *, whole: bool = False) -> None:
        """Raise NotFinished or JobFailed unless every job succeeded, ``whole``: those left out too."""
        observed = observed or self.observe()
        if not observed.finished:
            raise NotFinished(
                f"{self.id} is {observed.state} ({observed.in_words}): wait_done() waits for it"
            )
        failed = observed.indices(FAILED)
        if failed:
            tried = [index for index in failed if index in observed.outcomes] or failed
            raise self.job_failed(observed, tried[0], others=len(tried) - 1)
        if whole and observed.submitted < self.record.jobs:
            raise NotFinished(
                f"{self.id} ran {observed.submitted:,} of {self.record.jobs:,} jobs (run_local of one job): "
                "values(key, missing=None) leaves room for the others"
            )

    def job_failed(self, observed: JobStates, index: int, others: int = 0) -> JobFailed:
        """The error that tells how a job failed: reason, remote traceback, and how to see its log."""
        outcome = self.outcome(observed, index) if index in observed.outcomes else None
        text = f"{self._job(index)} failed: {self.reason_of(observed, index)}"
        if outcome is not None and outcome.failure is not None:
            text += f"\n\n{outcome.failure.traceback.rstrip()}\n"
        if others:
            text += f"\n{others:,} more failed: failures() groups them."
        return JobFailed(f"{text}\nIts log: {self._show_log(index)}", outcome)

    def failures(self) -> Failures:
        """The failed jobs, grouped."""
        observed = self.observe()
        failed = observed.indices(FAILED)
        ended = self.results.read(
            [observed.outcomes[index] for index in failed if index in observed.outcomes]
        )
        outcomes = {job.index: job.outcome for job in ended}
        reasons = {index: observed.close_reason(index) for index in failed}
        return group_failures(failed, outcomes, reasons, self._show_log)

    # -- what it is made of -------------------------------------------------------------------------

    def payload(self, round: int = 0) -> Payload:
        """The payload of a round, checked; nothing is unpickled."""
        record = next((record for record in self.rounds if record.round == round), None)
        if record is None:
            raise CorruptPayload(
                f"{round_key(self.id, round)} is missing from the store {self.store.uri}; restore it, or "
                f"remove the analysis: explorer delete {self.id}"
            )
        return payload.load(self.store, self.id, round, record.payload)

    # -- the end ------------------------------------------------------------------------------------

    def delete(self, unfinished: Callable[[], Sequence[RoundRecord]]) -> None:
        """Remove all that the store holds of it. Raises InUse.

        One that cannot be read is removed, too, unless some job of it is still open. The rounds go first and
        the listing last: what is left when this process is killed is listed, as one that cannot be read.
        """
        records, listing = unfinished(), index_key(parse_id(self.id).date, self.id)
        try:
            observed = self.observe()
        except (CorruptPayload, NoSuchAnalysis) as error:
            if not self.store.exists(listing):
                raise
            if any(record.id == self.id for record in records) or self._is_claimed():
                raise InUse(f"{self.id} cannot be read ({error}) and still runs: wait for its end") from error
        else:
            if not observed.finished:
                raise InUse(f"{self.id} is {observed.state}: terminate_all() and wait_done() first")
        for record in records:
            if any(ref.id == self.id for ref in record.depends_on) and not self._has_ended(record):
                raise InUse(f"{record.id} has not finished and depends on {self.id}: let it finish first")
        borrowers = begin_deleting(self.store, self.id)
        if borrowers:
            end_deleting(self.store, self.id)
            others = f" and {len(borrowers) - 1:,} more" if len(borrowers) > 1 else ""
            raise InUse(
                f"{borrowers[0]}{others} reused results of {self.id}, and reads them there: keep it, or "
                "delete those first"
            )
        origins, entries = self._what_refers_to_it()
        self.clean_up()
        if self.store.local_path("") is None:  # elsewhere a tree is gone at once
            self.store.delete_tree(rounds_prefix(self.id))
        self.store.delete_tree(analysis_prefix(self.id))
        give_back(self.store, origins, self.id)
        for recipe, entry in entries:
            forget_round(self.store, recipe, entry)
        self.store.delete(listing)

    def _what_refers_to_it(self) -> tuple[list[str], list[tuple[str, Entry]]]:
        """The analyses whose results it reads, and what names its rounds: none of one that is damaged."""
        try:
            rounds = self.rounds
        except (CorruptPayload, NoSuchAnalysis):
            return [], []
        entries = [(record.recipe, record.entry) for record in rounds if record.recipe]
        return list(rounds.reused.spans), entries

    def clean_up(self) -> None:
        """Once it has ended: remove what its executors keep for it."""
        try:
            rounds = self._rounds or self.rounds
        except (CorruptPayload, NoSuchAnalysis):
            return
        for name in {record.executor for record in rounds if record.parallel is not None}:
            self.executor_named(name).clean_up(rounds)

    def _is_claimed(self) -> bool:
        """Whether a process of this machine makes an attempt at a job, as far as the store tells."""
        folder = self.store.local_path(logs_prefix(self.id))
        logs = folder.glob("*.txt") if folder is not None else ()
        return any(
            claim.inspect(str(log)) in (claim.ClaimState.STARTING, claim.ClaimState.RUNNING) for log in logs
        )

    def _has_ended(self, record: RoundRecord) -> bool:
        """Whether another analysis has finished, though its executor may not have noticed yet."""
        try:
            other = replace(self, record=find(self.store, record.id), fault=None, _rounds=None)
            return other.observe().finished
        except NoSuchAnalysis:
            return False  # its submission is still under way
        except CorruptPayload:
            return False

    def _job(self, index: int) -> str:
        return f"job {index} of {self.id}" if self.record.array else self.id

    def _show_log(self, index: int) -> str:
        age = max(1, int((time.time() - self.record.submitted) / 3600) + 1)
        argument = f"{index}, " if self.record.array else ""
        return f'JobManager().get_analysis("{self.id}").logs({argument}since="{age}h")'


def downloads_folder(home: Path) -> str:
    return str(home / "downloads")


def _history(rounds: Rounds) -> list[dict[str, Any]]:
    """Each round: its number, how many jobs it ran, and what it changed."""
    return [
        {
            "round": record.round,
            "jobs": record.jobs,
            "changed": record.changes_from(last) if last else [],
            **({"after_canary": True} if record.canary else {}),
        }
        for last, record in zip([None, *rounds], rounds, strict=False)
    ]
