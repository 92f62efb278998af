"""The file cache: who fills it, who goes first, and that nothing in use ever goes."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from explorer_runner.errors import StoreError
from explorer_runner.files.cache import Cache

MB = 1 << 20


def fill_with(size: int):
    def fill(folder: str) -> None:
        Path(folder, "data").write_bytes(b"x" * size)

    return fill


def have(cache: Cache) -> set[str]:
    return {path.name for path in Path(cache.folder).iterdir() if path.is_dir()}


def use(cache: Cache, key: str, size: int = MB) -> None:
    with cache.hold(key, size, fill_with(size)):
        pass


def age(cache: Cache, key: str, seconds: float) -> None:
    when = time.time() - seconds
    os.utime(f"{cache.folder}/{key}.lock", (when, when))


def test_the_least_recently_used_goes_first(tmp_path: Path):
    cache = Cache(str(tmp_path / "cache"), 3 * MB)
    for number, key in enumerate("abc"):
        use(cache, key)
        age(cache, key, 100 - number)
    use(cache, "a")
    use(cache, "d")
    assert have(cache) == {"a", "c", "d"}


def test_what_is_held_stays_even_beyond_the_bound(tmp_path: Path):
    cache = Cache(str(tmp_path / "cache"), 2 * MB)
    with cache.hold("a", MB, fill_with(MB)) as first, cache.hold("b", MB, fill_with(MB)):
        age(cache, "a", 100)
        use(cache, "c")
        assert Path(first, "data").exists()
        assert have(cache) == {"a", "b", "c"}
    use(cache, "d", 2 * MB)
    assert have(cache) == {"d"}


def test_what_a_killed_process_left_half_done_is_done_again(tmp_path: Path):
    cache = Cache(str(tmp_path / "cache"), 3 * MB)
    (tmp_path / "cache" / "a.part").mkdir(parents=True)
    (tmp_path / "cache" / "a.part" / "half").write_text("x")
    use(cache, "a")
    assert [path.name for path in Path(cache.path("a")).iterdir()] == ["data"]
    assert not (tmp_path / "cache" / "a.part").exists()


def test_a_download_that_fails_leaves_nothing_and_the_next_one_tries_again(tmp_path: Path):
    cache = Cache(str(tmp_path / "cache"), 3 * MB)

    def broken(folder: str) -> None:
        Path(folder, "data").write_text("half")
        raise StoreError("the network is down")

    with pytest.raises(StoreError, match="network"), cache.hold("a", MB, broken):
        pass
    assert have(cache) == set()
    use(cache, "a")
    assert have(cache) == {"a"}


def test_no_room_says_path_need_and_free(tmp_path: Path):
    cache = Cache(str(tmp_path / "cache"), 1 << 60)
    with pytest.raises(
        StoreError, match=r"cache.* is full: 1,152,921,504,606,846,976 bytes needed, [\d,]+ free"
    ):
        use(cache, "a", 1 << 60)


def _ask(folder: str, number: int) -> int:
    """Use entries of a cache that holds two of five; returns how often this process filled one."""
    cache, filled = Cache(folder, 2 * MB), 0

    def fill(part: str) -> None:
        nonlocal filled
        filled += 1
        fill_with(MB)(part)

    for turn in range(60):
        key = "abcde"[(turn * (number + 1) + number) % 5]
        with cache.hold(key, MB, fill) as entry:
            assert Path(entry, "data").stat().st_size == MB
    return filled


def test_many_at_once_never_see_half_an_entry_and_never_lose_one_in_use(tmp_path: Path):
    with multiprocessing.get_context("spawn").Pool(6) as pool:
        filled = pool.starmap(_ask, [(str(tmp_path / "cache"), number) for number in range(6)])
    assert sum(filled) >= 5


def _once(folder: str, number: int) -> int:
    filled = []

    def fill(part: str) -> None:
        filled.append(number)
        time.sleep(0.3)
        fill_with(MB)(part)

    with Cache(folder, 10 * MB).hold("one", MB, fill):
        return len(filled)


def test_of_many_that_ask_at_once_one_fills(tmp_path: Path):
    with multiprocessing.get_context("spawn").Pool(6) as pool:
        assert sum(pool.starmap(_once, [(str(tmp_path / "cache"), number) for number in range(6)])) == 1


def test_what_was_left_half_done_needs_no_room_beside_itself(tmp_path: Path):
    cache = Cache(str(tmp_path / "cache"), 3 * MB)
    use(cache, "other", MB)
    (tmp_path / "cache" / "big.part").mkdir()
    (tmp_path / "cache" / "big.part" / "half").write_bytes(b"x" * MB)
    (tmp_path / "cache" / "big.lock").touch()
    use(cache, "big", 2 * MB)
    assert have(cache) == {"other", "big"}


def test_what_a_killed_process_left_half_done_counts_and_goes_in_its_turn(tmp_path: Path):
    cache = Cache(str(tmp_path / "cache"), 3 * MB)
    (tmp_path / "cache" / "killed.part").mkdir(parents=True)
    (tmp_path / "cache" / "killed.part" / "half").write_bytes(b"x" * 2 * MB)
    (tmp_path / "cache" / "killed.lock").touch()
    age(cache, "killed", 100)
    use(cache, "a", 2 * MB)
    assert have(cache) == {"a"}
