"""Names and ids: what AWS Batch takes, and that an id never leads anywhere but to its analysis."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.errors import InvalidName
from explorer_runner.format.names import (
    BATCH_NAME_LENGTH,
    NAME_LENGTH,
    AnalysisId,
    check_name,
    derive_name,
    new_id,
    parse_id,
)

NAMES = st.from_regex(re.compile(rf"[A-Za-z0-9_-]{{1,{NAME_LENGTH}}}"), fullmatch=True)
DESCRIBED = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
AT = 1683560706.0  # 2023-05-08T15:45:06 UTC


def test_an_id_looks_as_the_description_shows_it():
    made = new_id("age", clock=lambda: AT, nonce=lambda: "17eb494f3d5349c88959bace7a6b7873")
    assert made == DESCRIBED
    assert parse_id(made) == AnalysisId("2023-05-08", "154506", "age", "17eb494f3d5349c88959bace7a6b7873")


@given(NAMES)
def test_every_name_that_is_accepted_makes_an_id_that_batch_takes(name: str):
    made = new_id(check_name(name), clock=lambda: AT)
    assert len(made) <= BATCH_NAME_LENGTH
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", made)
    assert parse_id(made).name == name


def test_the_longest_name_fills_batchs_limit():
    assert len(new_id("x" * NAME_LENGTH)) == BATCH_NAME_LENGTH
    with pytest.raises(InvalidName):
        new_id("x" * (NAME_LENGTH + 1))


@given(st.text(max_size=200))
def test_what_is_derived_of_any_function_name_is_a_name(function_name: str):
    assert check_name(derive_name(function_name))


def test_derived_names_keep_what_they_can():
    assert derive_name("scan_features") == "scan_features"
    assert derive_name("<lambda>") == "lambda"
    assert derive_name("Klasse.für") == "Klasse_f_r"
    assert derive_name("x" * 500) == "x" * NAME_LENGTH
    assert derive_name("") == "work"


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "../x", "a.b", "é", "a\n", "x" * 200, None, 3, b"age", ["age"]]
)
def test_a_name_that_batch_would_refuse_is_refused_with_what_is_allowed(name: object):
    with pytest.raises(InvalidName, match=rf"1 to {NAME_LENGTH} of the characters A-Z a-z 0-9 _ -"):
        check_name(name)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=re.escape(repr(name))):
        check_name(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age",
        f"{DESCRIBED}\n",
        f" {DESCRIBED}",
        f"../{DESCRIBED}",
        f"{DESCRIBED}/..",
        DESCRIBED.replace("age", ""),
        DESCRIBED.replace("age", "a/b"),
        DESCRIBED.replace("age", ".."),
        DESCRIBED.replace("age", "x" * (NAME_LENGTH + 1)),
        DESCRIBED.upper(),
        DESCRIBED[:-1],
        f"{DESCRIBED}0",
        DESCRIBED.replace("T15", " 15"),
        None,
        7,
        DESCRIBED.encode(),
    ],
)
def test_what_is_no_id_is_refused_and_one_is_shown(text: object):
    with pytest.raises(InvalidName, match="is not an analysis id, which looks like 2023-05-08T154506_age_"):
        parse_id(text)  # type: ignore[arg-type]


@given(st.text())
def test_an_accepted_id_is_one_segment_of_a_path(text: str):
    try:
        parse_id(text)
    except InvalidName:
        return
    assert "/" not in text
    assert text not in (".", "..")


def test_a_name_may_look_like_the_rest_of_an_id():
    name = "a_17eb494f3d5349c88959bace7a6b7873"
    assert parse_id(new_id(name)).name == name


def test_ids_are_unique_and_sort_by_time():
    assert new_id("a") != new_id("a")
    earlier, later = new_id("b", clock=lambda: AT), new_id("a", clock=lambda: AT + 1)
    assert earlier < later


def test_the_time_in_an_id_is_utc(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert new_id("age", clock=lambda: AT).startswith("2023-05-08T154506_")
    finally:
        monkeypatch.undo()
        time.tzset()
