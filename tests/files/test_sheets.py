"""Sheets of samples, and what is wrong with those that cannot be read."""

import os
from pathlib import Path

import pytest

from gencove_explorer.errors import SheetError
from gencove_explorer.models import Sample, read_samples


def sheet(folder: Path, text: str, name: str = "sheet.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_have_types_and_missing_values(tmp_path: Path):
    text = (
        "id,client_id,age,weight,treated,plate,note,files.bam,files.vcf\n"
        'NO,ä,41,70.5,true,007,"a, b",s3://b/no.bam,\n'
        "NA,,,NA,FALSE,012,.,s3://b/na.bam,s3://b/na.vcf\n"
    )
    first, second = read_samples(sheet(tmp_path, text))
    assert first == Sample(
        id="NO",
        client_id="ä",
        metadata={"age": 41, "weight": 70.5, "treated": True, "plate": "007", "note": "a, b"},
        files={"bam": "s3://b/no.bam"},
    )
    assert (second.id, second.client_id) == ("NA", "")
    assert second.metadata == {
        "age": None, "weight": None, "treated": False, "plate": "012", "note": None,
    }  # fmt: skip
    assert second.file("vcf").uri == "s3://b/na.vcf"


@pytest.mark.parametrize("cells", [["1", "2.5", "x"], ["1_000"], ["inf"], ["0x10"], ["1 "], ["00"]])
def test_what_is_not_all_numbers_stays_text(tmp_path: Path, cells: list[str]):
    text = "id,x\n" + "".join(f"s{number},{cell}\n" for number, cell in enumerate(cells))
    assert [each.metadata["x"] for each in read_samples(sheet(tmp_path, text))] == cells


def test_other_forms(tmp_path: Path):
    tsv = sheet(tmp_path, "\ufeffid\tx\r\na\t1\r\n\r\n", "s.tsv")
    assert read_samples(tsv) == [Sample(id="a", metadata={"x": 1})]
    lines = '{"id": "a", "x": [1, 2], "files": {"bam": "s3://b/a.bam"}}\n\n{"id": "b"}\n'
    assert read_samples(str(sheet(tmp_path, lines, "s.jsonl"))) == [
        Sample(id="a", metadata={"x": [1, 2]}, files={"bam": "s3://b/a.bam"}),
        Sample(id="b"),
    ]
    assert read_samples(sheet(tmp_path, "id\n")) == []


def test_a_line_of_json_is_a_sample_as_python_writes_it(tmp_path: Path):
    line = '{"id": "a", "metadata": {"k": 1, "id": "x", "files.y": 2}, "plate": "007", "files": {}}\n'
    [sample] = read_samples(sheet(tmp_path, line, "s.jsonl"))
    assert sample == Sample(id="a", metadata={"k": 1, "id": "x", "files.y": 2, "plate": "007"})
    [sample] = read_samples(sheet(tmp_path, "id,metadata,files\na,x,y\n"))  # cells of a table hold text
    assert sample.metadata == {"metadata": "x", "files": "y"}


def test_relative_addresses_start_at_the_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "study" / "elsewhere").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    text = "id,files.a,files.b,files.c,files.d\ns,reads/a.txt,/data/b.txt,s3://b/c.txt,~/d.txt\n"
    sheet(tmp_path / "study", text, "s.csv")
    lines = '{"id": "s", "files": {"a": "reads/a.txt"}}\n'
    sheet(tmp_path / "study", lines, "s.jsonl")
    wanted = {
        "a": str(tmp_path / "study/reads/a.txt"),
        "b": "/data/b.txt",
        "c": "s3://b/c.txt",
        "d": str(tmp_path / "home/d.txt"),
    }
    assert read_samples("study/s.csv")[0].files == wanted
    assert read_samples("study/s.jsonl")[0].files == {"a": wanted["a"]}
    monkeypatch.chdir(tmp_path / "study" / "elsewhere")
    assert read_samples("../s.csv")[0].files == wanted


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.xlsx", "", "ends in .csv, .tsv, .jsonl"),
        ("missing.csv", None, "cannot be read"),
        ("s.csv", "", "line 1: use one heading"),
        ("s.csv", "name,x\na,1\n", "line 2: the sample has no id"),
        ("s.csv", "ID,sample\na,1\n", "line 2: .* no id: a column 'id' is needed; found 'ID', 'sample'$"),
        ("s.csv", "id;age\na;1\n", "no id: .* found 'id;age' .*parts cells by commas, .tsv by tabs"),
        ("s.jsonl", '{"name": "a", "x": 1}\n', "a column 'id' is needed; found 'name', 'x'"),
        ("s.jsonl", "{}\n", "found nothing"),
        ("s.csv", "id,x,x\na,1,2\n", "one heading a column"),
        ("s.csv", "id,x\na,1\nb\n", "line 3: 1 cells, the headings are 2"),
        ("s.csv", "id,x\n,1\n", "line 2: the sample has no id"),
        ("s.csv", "id\na\nb\na\n", "line 4: sample 'a' stands on line 2 too"),
        ("s.csv", 'id\n"a\n', "cannot be read"),
        ("s.jsonl", '{"id": "a"}\n{', "line 2: this is not JSON"),
        ("s.jsonl", f'{{"id": "a"}}\n{"[" * 100_000}\n', "line 2: this is not JSON: it is nested too deeply"),
        ("s.csv", f"id,x\na,1\nb,{'x' * 200_000}\n", "line 3: it cannot be read: field larger"),
        ("s.jsonl", "[1]\n", "line 1: use an object"),
        ("s.jsonl", '{"id": 3}\n', "no id"),
        ("s.jsonl", '{"id": "a", "files": "b"}\n', "files is an object"),
        ("s.jsonl", '{"id": "a", "metadata": "b"}\n', "metadata is an object"),
        ("s.jsonl", '{"id": "a", "x": 1, "metadata": {"x": 2}}\n', "sample a has 'x' twice"),
        (
            "s.jsonl",
            '{"id": "a", "files.x": "s3://b/k", "files": {"x": "s3://b/l"}}\n',
            "has 'files.x' twice",
        ),
        ("s.jsonl", '{"id": "a", "files": {"bam": 3}}\n', "the file 'bam' of sample a is no address"),
        ("s.csv", "id,files.bam\na,gs://b/k\n", "line 2: Sample a: files\\['bam'\\]=.*gs:// cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, name: str, text: str | None, message: str):
    path = tmp_path / name if text is None else sheet(tmp_path, text, name)
    with pytest.raises(SheetError, match=message):
        read_samples(path)


@pytest.mark.parametrize("name", ["s.csv", "s.jsonl"])
def test_a_sheet_that_is_no_text_or_no_file_is_refused(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(b"id\nx\xffy\n")
    with pytest.raises(SheetError, match="line 2: this is not UTF-8"):
        read_samples(path)
    os.truncate(path, 1 << 30)
    with pytest.raises(SheetError, match="has 1,073,741,824 bytes"):
        read_samples(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SheetError, match="should be a file"):
        read_samples(path)


def test_a_hundred_thousand_rows(tmp_path: Path):
    rows = "".join(f"s{n},{n},{n / 7},s3://b/{n}.bam\n" for n in range(100_000))
    samples = read_samples(sheet(tmp_path, f"id,n,x,files.bam\n{rows}"))
    assert len(samples) == 100_000
    assert samples[-1].metadata == {"n": 99_999, "x": 99_999 / 7}
