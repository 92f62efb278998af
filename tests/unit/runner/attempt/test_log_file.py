"""Logs: cut in the middle with a word about how much, while somebody goes on writing; found by time."""

import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.attempt import log_file

NOTICE = re.compile(rb"\[explorer: (\d+) bytes of this log were left out here\]\n")
HEAD, LIMIT = 200, 600
LINES = st.lists(st.integers(0, 60), min_size=1, max_size=40)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "0.0-1.txt"


def trim(log: Path) -> bool:
    return log_file.trim(str(log), LIMIT, HEAD)


def left_out(raw: bytes) -> tuple[bytes, int]:
    """What is left of a log, and how much it says was left out."""
    return NOTICE.sub(b"", raw), sum(map(int, NOTICE.findall(raw)))


def numbered(first: int, count: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, first + count))


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_a_log_within_the_limit_is_left_alone(log: Path, size: int):
    log.write_bytes(b"x" * size)
    assert not trim(log)
    assert log.read_bytes() == b"x" * size


def test_beginning_and_end_are_kept_and_the_rest_is_counted(log: Path):
    whole = numbered(0, 500)
    log.write_bytes(whole)
    assert trim(log)
    raw = log.read_bytes()
    (notice,) = NOTICE.finditer(raw)
    head, tail = raw[: notice.start()], raw[notice.end() :]
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert HEAD - 10 < len(head) <= HEAD
    assert LIMIT - HEAD - 10 < len(tail) <= LIMIT - HEAD
    assert int(notice[1]) == len(whole) - len(head) - len(tail)
    assert head.endswith(b"\n")
    assert tail.startswith(b"line ")


def test_a_log_of_one_endless_line_is_cut_too(log: Path):
    log.write_bytes(b"." * 5000)
    assert trim(log)
    rest, count = left_out(log.read_bytes())
    assert rest == b"." * LIMIT
    assert count == 5000 - LIMIT


@given(st.lists(LINES, min_size=1, max_size=6))
def test_however_often_it_is_cut_every_byte_is_there_or_counted(writes: list[list[int]]):
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.txt")
        whole = b""
        for lengths in writes:
            chunk = b"".join(b"%d:%d " % (len(whole), n) + b"." * n + b"\n" for n in lengths)
            whole += chunk
            with open(log, "ab") as file:
                file.write(chunk)
            was_long = log.stat().st_size > LIMIT
            assert trim(log) == was_long
            rest, count = left_out(log.read_bytes())
            assert len(rest) + count == len(whole)
            assert len(rest) <= LIMIT
            assert set(rest.splitlines()) <= set(whole.splitlines())
            assert rest.endswith(chunk.splitlines(keepends=True)[-1])


def test_cutting_twice_changes_nothing_more(log: Path):
    log.write_bytes(numbered(0, 500))
    assert trim(log)
    assert left_out(log.read_bytes())[1] > 0
    with open(log, "ab") as file:
        file.write(numbered(500, 500))
    assert trim(log)
    raw = log.read_bytes()
    assert len(NOTICE.findall(raw)) == 1
    assert raw.endswith(b"line 999\n")
    assert len(left_out(raw)[0]) + left_out(raw)[1] == len(numbered(0, 1000))


def test_a_log_that_somebody_goes_on_writing_keeps_whole_lines_and_takes_what_follows(log: Path):
    code = """
import os, sys
log = os.open(sys.argv[1], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
for n in range(50_000):
    os.write(log, b"line %d\\n" % n)
    if n % 10_000 == 0:
        print(n, flush=True)
sys.stdin.readline()
os.write(log, b"line the last\\n")
"""
    command = [sys.executable, "-c", code, str(log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        cuts = 0
        for _ in range(5):
            writer.stdout.readline()
            for _ in range(20):
                cuts += trim(log)
        writer.communicate("go on\n", timeout=60)
    trim(log)
    raw = log.read_bytes()
    assert cuts > 1
    assert raw.startswith(b"line 0\n")
    assert raw.endswith(b"line the last\n")
    assert re.fullmatch(rb"(line (\d+|the last)\n)+", left_out(raw)[0])


def test_the_limit_of_logs_leaves_room_for_both_ends():
    assert 0 < log_file.HEAD < log_file.LIMIT


def test_output_is_found_by_its_time(log: Path):
    log.write_bytes(b"x" * 300)
    for when, size in ((100.0, 10), (105.0, 50), (110.0, 200)):
        log_file.mark(str(log), when, size)
    found = [log_file.offset_since(str(log), when) for when in (0, 99.9, 100, 104, 105, 107.5, 110, 1e9)]
    assert found == [0, 0, 10, 10, 50, 50, 200, 200]


def test_without_marks_everything_may_be_new(log: Path):
    log.write_bytes(b"x" * 300)
    assert log_file.offset_since(str(log), 1e9) == 0
    assert log_file.offset_since(str(log.with_name("gone.txt")), 0) == 0


def test_a_mark_cut_short_by_a_crash_is_passed_over(log: Path):
    log_file.mark(str(log), 100.0, 10)
    with open(log_file.marks_path(str(log)), "ab") as file:
        file.write(struct.pack("<dQ", 50.0, 1 << 40)[:11])
    assert log_file.offset_since(str(log), 1e9) == 10
    assert log_file.offset_since(str(log), 60.0) == 0


def test_cutting_a_log_forgets_its_marks(log: Path):
    log.write_bytes(numbered(0, 500))
    log_file.mark(str(log), 100.0, 3000)
    assert trim(log)
    assert log_file.offset_since(str(log), 200.0) == 0
    assert [each.name for each in log.parent.iterdir()] == [log.name]


def test_marks_lie_beside_the_log_and_are_private(log: Path):
    log_file.mark(str(log), 1.0, 1)
    marks = log.with_name("0.0-1.marks")
    assert log_file.marks_path(str(log)) == str(marks)
    assert marks.stat().st_mode & 0o777 == 0o600


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1 << 40))), st.floats(-1, 1e6 + 1))
def test_no_output_from_before_the_last_mark_is_shown(marks: list[tuple[float, int]], when: float):
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/log.txt"
        times = sorted(time for time, _ in marks)
        sizes = sorted(size for _, size in marks)
        for time, size in zip(times, sizes, strict=True):
            log_file.mark(log, time, size)
        expected = [size for time, size in zip(times, sizes, strict=True) if time <= when]
        assert log_file.offset_since(log, when) == (expected[-1] if expected else 0)


def test_processes_that_cut_a_log_at_once_leave_its_end_once(log: Path):
    log.write_bytes(numbered(0, 400_000))
    script = f"from explorer_runner.attempt import log_file; log_file.trim({str(log)!r}, 1 << 20, 1 << 18)"
    cutters = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(6)]
    assert [cutter.wait() for cutter in cutters] == [0] * 6
    kept, count = left_out(log.read_bytes())
    assert len(log.read_bytes()) <= (1 << 20) + 100
    assert len(kept) + count == len(numbered(0, 400_000))
    assert kept.endswith(b"line 399999\n")
