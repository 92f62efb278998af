"""Hostile and surprising YAML, and what is said of manifests that cannot be used."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gencove_explorer.errors import ManifestError
from gencove_explorer.manifests.schema import check_document, json_schema
from gencove_explorer.manifests.yaml_document import MAX_BYTES, parse_document, read_document

HEAD = "version: 1\nname: a\nfunction: f.py:work\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_what_yaml_1_1_took_for_something_else_is_text():
    found = parse_document("[NO, no, on, y, 12:30, 2024-01-01, 1_000, 0b1, '1', \"2\", +x]", "m.yaml").data
    assert found == ["NO", "no", "on", "y", "12:30", "2024-01-01", "1_000", "0b1", "1", "2", "+x"]


def test_what_json_has_is_read_as_json_reads_it():
    found = parse_document("[1, -2, 3.5, 1e3, true, False, null, ~, '', 0x10, 0o17, [], {}]", "m.yaml").data
    assert found == [1, -2, 3.5, 1000.0, True, False, None, None, "", 16, 15, [], {}]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (BOMB, 1, "the anchor &a"),
        ("a: 1\nb: *x\n", 2, "the alias *x"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "the tag"),
        ("a: !!str 5\n", 1, "the tag"),
        ("a: !include x\n", 1, "the tag !include"),
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' a second time"),
        ("1: 2\n", 1, "the key 1"),
        ("? [1]\n: 2\n", 1, "a key that is a list"),
        ("a: 007\n", 1, "'007' in quotes if it is a name, 7 if it is a number"),
        ("a:\n  - 1\n  - b: 2\n    c: [1, 01]\n", 4, "a[1].c[1]: 01"),
        ("a: .inf\n", 1, "a finite number"),
        (f"a: -{'0' * 5000}7\n", 1, "-7 if it is a number"),
        (f"a: {'9' * 5000}\n", 1, "a number of 5,000 digits"),
        ("a: [1\nb: 2\n", None, "is not YAML"),
        ("a: 1\n---\nb: 2\n", None, "another document"),
        ("\x00", None, "control characters"),
        ("[" * 60 + "]" * 60, 1, "nested too deeply"),
        ("[" * 3000, None, "nested too deeply"),
    ],
)
def test_the_rest_of_yaml_is_refused(text: str, line: int | None, message: str):
    with pytest.raises(ManifestError) as caught:
        parse_document(text, "m.yaml")
    assert message in str(caught.value)
    if line is not None:
        assert caught.value.faults[0].line == line


def test_a_manifest_is_of_a_size_for_people(tmp_path: Path):
    (tmp_path / "m.yaml").write_text("a: " + "x" * MAX_BYTES)
    with pytest.raises(ManifestError, match=r"at most 1 MB; keep inputs in a file of their own"):
        read_document(tmp_path / "m.yaml", "m.yaml")
    (tmp_path / "m.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ManifestError, match="is not UTF-8"):
        read_document(tmp_path / "m.yaml", "m.yaml")


def faults(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        check_document(parse_document(text, "m.yaml"))
    return [str(each) for each in caught.value.faults]


def test_every_fault_is_said_with_line_field_and_what_is_allowed():
    found = faults(
        f"{HEAD}inputs: [1]\njob_definition:\n  memory: 5\n  cpu: two\ndepends_on: b\nlabels: {{a: 5}}\n"
        "on_failure: holds\nglobal_config: {a b: 1}\n"
    )
    assert sorted(found) == [
        "m.yaml:10: on_failure: found 'holds'; allowed: 'hold' or 'retry_failed'",
        "m.yaml:11: global_config: found a mapping; allowed: 'a b' is read as an attribute, so it must be a "
        "name as Python has them",
        "m.yaml:4: inputs: is not a key here; allowed: did you mean input?",
        "m.yaml:6: job_definition.memory: is not a key here; allowed: did you mean memory_mb?",
        "m.yaml:7: job_definition.cpu: found 'two'; allowed: a valid integer",
        "m.yaml:8: depends_on: found 'b'; allowed: a valid list",
        "m.yaml:9: labels.a: found 5; allowed: a valid string",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a mapping with version, name, function"),
        ("[]", "a mapping with version, name, function"),
        ("name: a\nfunction: f.py:work\n", "version: is missing"),
        (HEAD.replace("1", "2"), "m.yaml:1: version: found 2; allowed: 1"),
        (HEAD.replace("a\n", "a b\n"), "cannot name a job on AWS Batch"),
        (HEAD.replace("f.py", "/etc/f.py"), "use a path relative to the manifest"),
        (HEAD.replace("f.py:work", "f.py"), "use FILE:FUNCTION"),
        (f"{HEAD}input: {{file: ~/x.csv}}\n", "use a path relative to the manifest"),
        (f"{HEAD}input: {{file: x.csv, sheet: 1}}\n", "input.sheet: is not a key here; allowed: file"),
        (f"{HEAD}input: {{output: {{manifest: b}}}}\n", "give either value or file"),
        (f"{HEAD}input: {{files: []}}\n", "input.files"),
        (
            f"{HEAD}depends_on: [{{eech: b}}]\n",
            "depends_on[0].eech: is not a key here; allowed: did you mean each?",
        ),
        (f"{HEAD}job_definition: {{cpu: 0}}\n", "use a number from 1 to 100,000"),
    ],
)
def test_what_a_manifest_cannot_be(text: str, message: str):
    assert message in "\n".join(faults(text))


def test_no_secret_is_repeated():
    text = "\n".join(
        faults(
            f"{HEAD}pip_packages: ['https://ada:hunter2@example.org/x']\n"
            "job_definition: {secrets: {TOKEN: hunter2}}\n"
        )
    )
    assert "hunter2" not in text
    assert "pip_packages[0]" in text


def test_the_schema_agrees_with_the_models():
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    good = f"{HEAD}input: {{file: x.csv}}\njob_definition: {{cpu: 1}}\ndepends_on: [b, {{each: c}}]\n"
    for text, fine in (
        (good, True),
        (f"{HEAD}input: {{files: s3://b/k}}\nglobal_config: {{r: {{files: s3://b/k}}, n: 1}}\n", True),
        (f"{HEAD}inputs: 1\n", False),
        (f"{HEAD}job_definition: {{memory: 1}}\n", False),
        (f"{HEAD}depends_on: [{{eech: b}}]\n", False),
        (HEAD.replace("a\n", "a b\n"), False),
    ):
        data = parse_document(text, "m.yaml").data
        assert validator.is_valid(data) == fine, text
    assert set(schema["properties"]) == {
        "version", "name", "function", "input", "global_config", "pip_packages", "job_definition",
        "depends_on", "labels", "on_failure", "reuse", "canary", "max_failures", "parallel",
    }  # fmt: skip
