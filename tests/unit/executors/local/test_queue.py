"""The folder of a queue: an entry is there whole or not at all, once, and nobody takes another's."""

import dataclasses
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gencove_explorer.executors.local.queue import Entry, Queue
from gencove_explorer.records.index import IndexRecord
from gencove_explorer.records.round import RoundRecord

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"


def entry_of(number: int = 0) -> Entry:
    record = RoundRecord(
        id=ID, round=number, executor="local", indices=None, jobs=1, payload="0" * 64, submitted=1.0
    )
    index = IndexRecord(
        id=ID, name="age", user="ann", submitted=1.0, jobs=1, array=False, executor="local", python="3.11"
    )
    return Entry(
        store="/x",
        record=record,
        index=index,
        runtime="python",
        uv="uv",
        variables={"TOKEN": "secret"},
        cpus=2,
        memory_mb=1000,
    )


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    queue = Queue(tmp_path)
    queue.make()
    return queue


LOOK = """
import fcntl, os, sys
from pathlib import Path
from gencove_explorer.executors.local.queue import Queue
def look(event, args):
    if event == "os.rename":
        with open(args[0], "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                print("free")
            except BlockingIOError:
                print("locked")
            print(file.read().decode())
sys.addaudithook(look)
Queue(Path(sys.argv[1])).add_request({"stop": True})
"""


def test_what_appears_is_whole_and_locked_until_then(queue: Queue):
    command = [sys.executable, "-c", LOOK, str(queue.home)]
    seen = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert seen == 'locked\n{"stop": true}\n'


ACCEPT = """
import sys
from pathlib import Path
from gencove_explorer.executors.local.queue import Queue
queue = Queue(Path(sys.argv[1]))
def accept(event, args):
    if event == "open" and str(args[0]).startswith(f"{queue.new}/"):
        queue.take_new()
sys.addaudithook(accept)
print(len(queue.unfinished_rounds()))
"""


def test_an_entry_that_is_accepted_just_then_is_found(queue: Queue):
    queue.add_round(entry_of())
    command = [sys.executable, "-c", ACCEPT, str(queue.home)]
    assert subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout == "1\n"
    assert not list(queue.new.iterdir())


def test_what_cannot_appear_leaves_nothing(queue: Queue):
    long = dataclasses.replace(entry_of(), record=dataclasses.replace(entry_of().record, id="x" * 300))
    with pytest.raises(OSError, match="name too long"):
        queue.add_round(long)
    assert not list(queue.new.iterdir())


def test_an_entry_is_taken_back_unless_it_was_accepted(queue: Queue):
    path = queue.add_round(entry_of())
    assert queue.is_new(entry_of().key)
    assert queue.take_back(path)
    assert not queue.has_round(entry_of().key)
    path = queue.add_round(entry_of())
    assert queue.take_new() == {queue.accepted / path.name}
    assert not queue.is_new(entry_of().key)
    assert queue.has_round(entry_of().key)
    assert not queue.take_back(path)
    assert queue.has_round(entry_of().key)


def test_rounds_are_known_by_their_own_key(queue: Queue):
    queue.add_round(entry_of(11))
    assert queue.has_round(f"{ID}.11")
    assert not queue.has_round(f"{ID}.1")
    assert queue.unfinished_rounds() == [entry_of(11)]


def test_accepted_entries_come_in_their_order_but_for_those_that_are_known(queue: Queue):
    for number in (2, 0, 1):
        queue.add_round(entry_of(number))
    queue.take_new()
    queue.add_round(entry_of(3))
    read = queue.accepted_entries(besides={f"{ID}.0"})
    assert [entry.record.round for _, entry in read] == [2, 1]
    assert [entry.record.round for entry in queue.unfinished_rounds()] == [2, 0, 1, 3]


def test_there_is_one_scheduler(queue: Queue):
    assert not queue.alive()
    held = queue.lock()
    assert held is not None
    assert queue.lock() is None
    assert queue.alive()
    os.close(held)
    assert not queue.alive()


def test_an_entry_and_a_request_are_news_until_they_are_taken(queue: Queue):
    assert not queue.has_news()
    path = queue.add_round(entry_of())
    assert queue.has_news()
    queue.take_back(path)
    queue.add_request({"stop": True})
    assert queue.has_news()
    queue.cancel_requests("terminate")
    assert list(queue.read_requests().values()) == [{"stop": True}]
    queue.cancel_requests("stop")
    assert not queue.has_news()


def test_what_nobody_writes_any_more_is_abandoned_after_a_while(queue: Queue):
    part = queue.new / ".part"
    part.touch()
    assert queue.abandoned() == []
    os.utime(part, (time.time() - 120,) * 2)
    with open(part, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert queue.abandoned() == []
    assert queue.abandoned() == [part]


def test_what_cannot_be_read_is_put_aside_and_known_by_its_round(queue: Queue):
    path = queue.add_round(entry_of())
    [accepted] = queue.take_new()
    accepted.write_text("{")
    assert queue.accepted_entries(besides=set()) == []
    assert queue.broken_entry(entry_of().key) == queue.broken / path.name
    assert queue.broken_entry(f"{ID}.1") is None
    assert not queue.has_round(entry_of().key)
