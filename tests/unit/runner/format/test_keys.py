"""Keys: every key that is accepted stays inside its folder, every other one is told why it is refused."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.errors import InvalidKey
from explorer_runner.format.keys import (
    FAILED,
    KEY_BYTES,
    SEGMENT_BYTES,
    SUCCEEDED,
    AttemptId,
    OutcomeName,
    analysis_prefix,
    check_key,
    closed_key,
    contended_payload_key,
    file_key,
    index_key,
    inputs_key,
    log_key,
    outcome_key,
    parse_log_name,
    parse_outcome_name,
    payload_key,
    round_key,
    value_key,
)
from explorer_runner.stores.folder import FolderStore

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
ATTEMPT = AttemptId(7, 2, 3)

# Text that is likely to be on the border: dots, slashes, control characters, long and odd parts.
PARTS = st.one_of(
    st.sampled_from(
        ["", ".", "..", "...", " ", "a", "~", "con", "%2e%2e", "-rf", "a.json", "x" * 240, "é" * 121]
    ),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=12),
    st.text(max_size=5),
)
KEYS = st.one_of(st.text(max_size=60), st.lists(PARTS, max_size=6).map("/".join))
ATTEMPTS = st.tuples(st.integers(0, 9999), st.integers(0, 99), st.integers(1, 10)).map(
    lambda each: AttemptId(*each)
)


def accepted(key: str) -> bool:
    """Whether a key is in the grammar; InvalidKey is the only other answer."""
    try:
        return check_key(key) is key
    except InvalidKey:
        return False


@given(KEYS)
def test_every_accepted_key_is_a_file_of_that_name_inside_its_folder(key: str):
    if not accepted(key):
        with pytest.raises(InvalidKey, match="a key is a relative path such as"):
            check_key(key)
        return
    with tempfile.TemporaryDirectory() as root:
        store = FolderStore(f"{root}/store")
        for whole in (file_key(ID, ATTEMPT, key), value_key(ID, ATTEMPT, key, "json")):
            store.create(whole, b"content")
            folder = os.path.realpath(f"{root}/store/{analysis_prefix(ID)}")
            path = os.path.realpath(store.local_path(whole))
            assert path.startswith(f"{folder}/")
            assert store.list_names(os.path.dirname(whole)) == [os.path.basename(whole)]
            assert Path(path).read_bytes() == b"content"


@given(st.lists(KEYS.filter(accepted), min_size=2, max_size=5, unique=True))
def test_two_accepted_keys_are_two_objects(keys: list[str]):
    with tempfile.TemporaryDirectory() as root:
        store = FolderStore(root)
        kept: list[str] = []
        for key in keys:
            if not any(key.startswith(f"{other}/") or other.startswith(f"{key}/") for other in kept):
                store.create(file_key(ID, ATTEMPT, key), key.encode())
                kept.append(key)
        assert [store.read(file_key(ID, ATTEMPT, key)).decode() for key in kept] == kept


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "is empty"),
        ("/etc/passwd", "is absolute"),
        ("/", "is absolute"),
        ("a/", "has an empty part"),
        ("a//b", "has an empty part"),
        (".", "has '.' as a part"),
        ("..", "has '..' as a part"),
        ("a/../b", "has '..' as a part"),
        ("../x", "has '..' as a part"),
        ("a/.", "has '.' as a part"),
        ("a\nb", "holds a control character or a backslash"),
        ("a\0", "holds a control character or a backslash"),
        ("a\x7f", "holds a control character or a backslash"),
        ("a\\b", "holds a control character or a backslash"),
        ("\ud800", "is not valid Unicode"),
        ("x" * (SEGMENT_BYTES + 1), f"has a part longer than {SEGMENT_BYTES} bytes"),
        ("é" * (SEGMENT_BYTES // 2 + 1), f"has a part longer than {SEGMENT_BYTES} bytes"),
        ("/".join(["x" * 100] * 7), f"is longer than {KEY_BYTES} bytes"),
        (None, "is not a string but NoneType"),
        (3, "is not a string but int"),
        (b"a", "is not a string but bytes"),
        (Path("a"), "is not a string but PosixPath"),
    ],
)
def test_a_refused_key_says_why(key: object, why: str):
    with pytest.raises(InvalidKey) as refused:
        check_key(key)
    assert why in str(refused.value)
    assert repr(key) in str(refused.value)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    "key", ["a", "table.csv", "plots/age.png", "...", " ", "a b", "é", "日本/語", "%2e%2e/x", "x" * 240]
)
def test_ordinary_and_odd_keys_are_accepted_as_they_are(key: str):
    assert check_key(key) is key


def test_the_message_names_what_the_key_is_for():
    with pytest.raises(InvalidKey, match=r"^label '' is empty"):
        check_key("", "label")


def test_the_layout():
    assert index_key("2023-05-08", ID) == f"index/2023-05-08/{ID}.json"
    assert payload_key(ID, 2) == f"analyses/{ID}/payloads/2.zip"
    assert inputs_key(ID) == f"analyses/{ID}/inputs.bin"
    assert contended_payload_key(ID, 2, "f0") == f"analyses/{ID}/payloads/2-f0.zip"
    assert round_key(ID, 2) == f"analyses/{ID}/rounds/2.json"
    assert closed_key(ID, 2, 0) == f"analyses/{ID}/closed/2-0.json"
    assert outcome_key(ID, ATTEMPT, FAILED) == f"analyses/{ID}/outcomes/7.2-3.FAILED.json"
    assert log_key(ID, ATTEMPT) == f"analyses/{ID}/logs/7.2-3.txt"
    assert file_key(ID, ATTEMPT, "a/b") == f"analyses/{ID}/files/7/2-3/a/b"
    assert value_key(ID, ATTEMPT, "a/b", "json") == f"analyses/{ID}/values/7/2-3/a/b.json"


@given(ATTEMPTS, st.sampled_from([SUCCEEDED, FAILED]))
def test_the_name_of_an_outcome_or_a_log_tells_its_attempt(attempt: AttemptId, status: str):
    assert parse_outcome_name(os.path.basename(outcome_key(ID, attempt, status))) == OutcomeName(
        *attempt, status
    )
    assert parse_log_name(os.path.basename(log_key(ID, attempt))) == attempt


def test_keys_may_be_as_long_as_they_may_be_and_no_longer():
    longest = "/".join(["a" * 100] * 6 + ["é" * 47])
    assert len(longest.encode()) == KEY_BYTES
    assert check_key(longest) == longest
    with pytest.raises(InvalidKey, match=f"is longer than {KEY_BYTES} bytes"):
        check_key(f"{longest}a")


def test_numbers_are_of_six_digits_at_most():
    assert parse_log_name("999999.999999-999999.txt") == AttemptId(999_999, 999_999, 999_999)
    assert parse_log_name("1000000.0-1.txt") is None
    assert parse_log_name("0.1000000-1.txt") is None
    assert parse_log_name("0.0-1000000.txt") is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".tmp",
        "7.2-3.json",
        "7.2-3.RUNNING.json",
        "7.2-3.FAILED.txt",
        "7.2.FAILED.json",
        "a.2-3.FAILED.json",
        "7.2-3-4.FAILED.json",
        "7.2-3.FAILED.json.part",
        "7.-3.FAILED.json",
    ],
)
def test_other_names_are_no_outcomes(name: str):
    assert parse_outcome_name(name) is None


@pytest.mark.parametrize(
    "name", ["", "7.2-3.marks", ".claim-12", "7.2-3", "7.txt", "a.2-3.txt", "7.2-3.FAILED.json"]
)
def test_other_names_are_no_logs(name: str):
    assert parse_log_name(name) is None


@given(st.text(max_size=30))
def test_no_name_breaks_the_reading_of_a_listing(name: str):
    parse_outcome_name(name)
    parse_log_name(name)
