"""A further round of jobs that are to run as they are: by whoever sees that they must, nothing unpickled.

Rounds are only ever created, so of several that see it at the same time one submits.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from explorer_runner.definition import JobDefinition
from explorer_runner.format import payload
from explorer_runner.format.keys import round_key
from explorer_runner.format.reused import Reused
from explorer_runner.stores.base import Store
from gencove_explorer.records.reuse_index import note_round
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.utils.user import user_name


def write_next_round(
    store: Store,
    record: RoundRecord,
    number: int,
    indices: Sequence[int],
    definition: JobDefinition,
    place: str,
) -> RoundRecord:
    """Write round ``number``, of some jobs of ``record``, with another definition; returns its record.

    ``place``: where it is about to be submitted to. Raises AlreadyExists if somebody else has written that
    round.
    """
    loaded = payload.load(store, record.id, record.round, record.payload)
    position_of = {index: position for position, index in enumerate(record.all_indices())}
    rows = [loaded.spec.row_of(position_of[index]) for index in indices]
    spec = replace(
        loaded.spec, round=number, indices=list(indices), all_inputs=False, job_definition=definition
    )
    sha256 = payload.keep(store, record.id, number, payload.pack(loaded.members_of(spec, rows)))
    new = replace(
        record,
        round=number,
        indices=list(indices),
        jobs=len(indices),
        payload=sha256,
        place=place,
        submitted=time.time(),
        user=user_name(),
        job_definition=definition,
        reused=Reused(),
        identity=loaded.identities(payload.NAMED)[rows[0]].hex() if len(rows) == 1 else "",
    )
    store.create(round_key(record.id, number), new.to_json())
    if new.recipe:
        note_round(store, new.recipe, new.entry)
    return new
