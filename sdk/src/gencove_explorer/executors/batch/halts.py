"""Cancelling what has not started of a round: its canary failed, or too many of its own jobs did.

Batch fails a round whose canary failed by itself, and knows no limit of failures: whoever looks cancels.
"""

from collections.abc import Mapping
from typing import Any

from explorer_runner.format.keys import FAILED
from gencove_explorer.aws.errors import REFUSED, AwsError
from gencove_explorer.executors.batch.jobs import Jobs
from gencove_explorer.records.closed import Closed, write_closed
from gencove_explorer.records.halts import read_settled, why_halted
from gencove_explorer.records.round import RoundRecord, Rounds
from gencove_explorer.records.states import PENDING, RUNNABLE, SUBMITTED

_UNSTARTED = (SUBMITTED, PENDING, RUNNABLE)
_MOST_CHARACTERS = 1000
"""Of a reason CancelJob takes 1,024."""


class Halts:
    """Looks whether rounds are to be halted, and halts them."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def look(
        self, rounds: Rounds, record: RoundRecord, detail: Mapping[str, Any], states: Mapping[int, str]
    ) -> tuple[dict[int, str], str | None]:
        """States that change by it, and why; ``states`` are those of the round's open jobs.

        Of an array that runs already Batch alone knows which children it could still cancel: the next
        look finds them failed, with this reason.
        """
        unstarted = [index for index, state in states.items() if state in _UNSTARTED]
        if not unstarted:
            return {}, None
        settled = read_settled(rounds, rounds.jobs)
        reason = why_halted(rounds, record, settled)
        if reason is None:
            return {}, None
        try:
            self._jobs.cancel(detail["jobId"], reason[:_MOST_CHARACTERS])
        except AwsError as error:
            if error.code not in REFUSED:
                raise
            return {}, f"{reason}; they could not be cancelled, and go on: {error}"
        if not _waits_for_canary(record, settled[0]):
            return {}, reason
        write_closed(rounds.store, rounds.id, record.round, Closed.of({reason: unstarted}))
        return dict.fromkeys(unstarted, FAILED), reason


def _waits_for_canary(record: RoundRecord, states: Any) -> bool:
    """Whether a round's canary failed: then Batch starts none of its jobs."""
    return any(states[index] == FAILED for index in record.canary)
