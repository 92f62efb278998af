"""Analyses on AWS Batch: what differs from this machine, against the local cloud."""

from pathlib import Path

from gencove_explorer.analysis import Analysis


def double(ac):
    print("input", ac.input)
    ac.output.value("double", ac.input * 2)


def test_an_array(cloud_home: Path, capsys):
    an = Analysis(function=double, input=["foo", "bar", "baz"])
    an.run()
    an.wait_done(timeout=60)
    assert an.status() == {"status": "SUCCEEDED", "jobs": {"SUCCEEDED": 3}}
    assert an.values("double") == ["foofoo", "barbar", "bazbaz"]
    an.logs(2)
    assert capsys.readouterr().out == "input baz\n"
