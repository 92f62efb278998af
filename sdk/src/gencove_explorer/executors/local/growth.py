"""Jobs that were killed for their memory and may have more: they go on in a further round."""

from dataclasses import replace

from explorer_runner.stores.base import Store
from gencove_explorer.executors.local.queue import Queue
from gencove_explorer.executors.local.rounds import ActiveRound
from gencove_explorer.records.next_round import write_next_round
from gencove_explorer.records.round import read_rounds


def submit_grown(queue: Queue, store: Store, round: ActiveRound) -> None:
    """Write the further round and put it into the queue. Raises AlreadyExists if somebody was faster.

    Taken again when it fails in between: what is queued last has the jobs.
    """
    record = round.record
    number = read_rounds(store, record.id)[-1].round + 1
    definition = record.job_definition.grown()
    new = write_next_round(store, record, number, sorted(round.grown), definition, record.place)
    queue.add_round(replace(round.entry, record=new))
    round.grown.clear()
