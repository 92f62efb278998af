"""From the request of an analysis that was built by hand to a manifest, its function in a file beside it."""

import inspect
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from explorer_runner.context import GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.format.payload import ALL
from explorer_runner.models import File, Sample
from gencove_explorer.errors import SubmissionError
from gencove_explorer.manifests.export_source import function_source_text
from gencove_explorer.manifests.find import MANIFEST_SUFFIXES, manifest_files
from gencove_explorer.manifests.function_source import SourceError, SourceFile
from gencove_explorer.manifests.inputs import ManifestLocation, check_size
from gencove_explorer.manifests.problems import ManifestError, Problem
from gencove_explorer.manifests.schema import check_document, is_form
from gencove_explorer.manifests.yaml_document import parse_document, read_document
from gencove_explorer.submission.prepare import check_definition
from gencove_explorer.submission.request import AnalysisRequest
from gencove_explorer.utils.git import repository_root

_INLINE_ELEMENTS, _INLINE_CHARACTERS = 20, 2000


def to_manifest(request: AnalysisRequest, folder: str | os.PathLike[str]) -> Path:
    """Write the manifest of a request; see ``Analysis.to_manifest``."""
    folder = Path(folder)
    if not folder.is_dir() and (folder.exists() or folder.suffix in MANIFEST_SUFFIXES):
        raise SubmissionError(
            f"{folder} is the name of a file: give the folder that {request.name}.yaml is to be written into"
        )
    folder.mkdir(parents=True, exist_ok=True)
    place = ManifestLocation(folder.resolve(), repository_root(folder) or folder.resolve())
    name = request.name
    if request.function is None:
        raise SubmissionError(
            f"{name} has no function here: an analysis that was found in the store holds its inputs pickled, "
            "and nothing is unpickled for it; write down the one that it was made from"
        )
    target = folder / f"{name}.yaml"
    files: dict[Path, str] = {}
    data: dict[str, Any] = {"version": 1, "name": name}
    data["function"] = _function(request.function, name, place, files)
    value = request.unpickled_input()
    if value is not None:
        check_size(value)
        data["input"] = _value(value, f"the input of {name}", name, place, files)
    needed = request.depends_on or ()
    more = {
        "global_config": _config(request.unpickled_config(), name, place, files),
        "pip_packages": [_requirement(package, place) for package in request.pip_packages or ()],
        "job_definition": _definition(check_definition(request.job_definition)),
        "depends_on": [
            one.request.name if one.kind == ALL else {one.kind: one.request.name} for one in needed
        ],
        "labels": dict(request.labels or {}),
        **request.options.chosen,
    }
    text = _yaml(data | {key: value for key, value in more.items() if value}, target)
    _refuse_others(target, name, files)
    existing = {_name_in(path) for path in manifest_files(folder)}
    for one in needed:
        if one.request.name not in existing:
            to_manifest(one.request, folder)
    for path, content in files.items():
        path.write_text(content, encoding="utf-8")
    target.write_text(text, encoding="utf-8")
    return target


def _function(function: Any, name: str, place: ManifestLocation, files: dict[Path, str]) -> str:
    """FILE:FUNCTION: its own file if that is in the repository, else one that is written."""
    called = getattr(function, "__name__", "")
    if not called.isidentifier():
        raise SubmissionError(f"the function of {name} has no name to be found by: write it with def")
    file = inspect.getsourcefile(inspect.unwrap(function))
    own = Path(file).resolve() if file else None
    if own is not None and own.is_relative_to(place.root) and own.is_file() and own.suffix in (".py", ".ipy"):
        try:
            SourceFile(own, own.read_text()).function(called)
            return f"{os.path.relpath(own, place.folder)}:{called}"
        except SourceError:
            pass  # it stands inside of something else
    text, suffix = function_source_text(function)
    files[place.folder / f"{name}{suffix}"] = text
    return f"{name}{suffix}:{called}"


def _value(value: Any, what: str, stem: str, place: ManifestLocation, files: dict[Path, str]) -> Any:
    """An input, or a value of global_config. What is long goes into a file, named after ``stem``."""
    if isinstance(value, Sample):
        return {"sample": _row(value, what, place)}
    if isinstance(value, File):
        return _files([value], what, place) | {"files": _address(value.uri, what, place)}
    if isinstance(value, list) and value and all(isinstance(item, Sample) for item in value):
        files[place.folder / f"{stem}.jsonl"] = _sheet(value, what, place)
        return {"file": f"{stem}.jsonl"}
    if isinstance(value, list) and value and all(isinstance(item, File) for item in value):
        return _files(value, what, place)
    _plain(value, what)
    if _is_long(value):
        files[place.folder / f"{stem}.json"] = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        return {"file": f"{stem}.json"}
    return {"value": value} if is_form(value) else value


def _files(files: Sequence[File], what: str, place: ManifestLocation) -> dict[str, Any]:
    beside = {tuple(file.secondary_files) for file in files}
    if len(beside) > 1:
        raise SubmissionError(f"{what} has files with different secondary_files: use samples")
    suffixes = list(next(iter(beside)))
    form: dict[str, Any] = {"files": [_address(file.uri, what, place) for file in files]}
    return {**form, "secondary_files": suffixes} if suffixes else form


def _sheet(samples: Sequence[Sample], what: str, place: ManifestLocation) -> str:
    """The samples as JSON Lines."""
    twice = next(
        (name for name, count in Counter(sample.id for sample in samples).items() if count > 1), None
    )
    if twice is not None:
        raise SubmissionError(f"{what} has sample {twice!r} twice: give each an id of its own")
    return "".join(f"{json.dumps(_row(sample, what, place))}\n" for sample in samples)


def _row(sample: Sample, what: str, place: ManifestLocation) -> dict[str, Any]:
    if not isinstance(sample.id, str) or not sample.id:
        raise SubmissionError(f"{what} has a sample whose id is {sample.id!r}: use text")
    addresses = {name: _address(uri, what, place) for name, uri in sample.files.items()}
    more = {"client_id": sample.client_id, "metadata": dict(sample.metadata), "files": addresses}
    row = {"id": sample.id, **{key: value for key, value in more.items() if value}}
    _plain(row, f"sample {sample.id}")
    return row


def _address(uri: str, what: str, place: ManifestLocation) -> str:
    """An address as every clone of the repository has it: of a file, its path from the manifest's folder."""
    if "://" in uri and not uri.startswith("file://"):
        return uri
    given = Path(os.path.abspath(os.path.expanduser(uri.removeprefix("file://"))))
    path = given.parent.resolve() / given.name  # secondary files lie beside a link, not beside its target
    if not path.is_file():
        raise SubmissionError(f"{what}: there is no file {path}")
    if not path.resolve().is_relative_to(place.root):
        raise SubmissionError(
            f"{what}: {path} is outside of {place.root}, where no other machine has it: put it there, or "
            "into a bucket, and give that address"
        )
    return os.path.relpath(path, place.folder)


def _config(
    config: GlobalConfig | None, name: str, place: ManifestLocation, files: dict[Path, str]
) -> dict[str, Any]:
    return {
        key: _value(value, f"global_config.{key} of {name}", f"{name}.{key}", place, files)
        for key, value in (vars(config) if config is not None else {}).items()
    }


def _definition(definition: JobDefinition | None) -> dict[str, Any]:
    if definition is None:
        return {}
    usual = JobDefinition()
    given = definition.to_json()
    always = ("cpu", "memory_mb")  # without them the default would be another on each machine
    return {
        field_.name: given[field_.name]
        for field_ in fields(definition)
        if field_.name in always or given[field_.name] != getattr(usual, field_.name)
    }


def _requirement(text: str, place: ManifestLocation) -> str:
    path = Path(text).expanduser()
    if text.startswith((".", "/", "~")) and path.is_dir():
        relative = os.path.relpath(path.resolve(), place.folder)
        return relative if relative.startswith(".") else f"./{relative}"
    return text


def _plain(value: Any, what: str) -> None:
    """Raise SubmissionError unless JSON holds a value unchanged."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        same = json.loads(text.encode()) == value  # half a surrogate pair is no text
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        raise SubmissionError(
            f"{what} holds more than text, numbers, truth values, lists and mappings, which is all that a "
            "manifest can say (beside a File, a Sample, or a list of either): pass what it is made from, and "
            "make it in the function"
        )


def _is_long(value: Any) -> bool:
    many = isinstance(value, list) and len(value) > _INLINE_ELEMENTS
    return many or len(json.dumps(value)) > _INLINE_CHARACTERS


def _yaml(data: dict[str, Any], target: Path) -> str:
    # What holds no mapping or list is written on one line.
    text = yaml.dump(
        data, Dumper=_Dumper, width=100, default_flow_style=None, sort_keys=False, allow_unicode=True
    )
    try:
        same = parse_document(text, target.name).data == data
    except ManifestError:
        same = False
    if not same:  # PyYAML writes YAML 1.1: 1E5 without quotes, say
        text = _json(data)
    check_document(parse_document(text, target.name))
    return text


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # a list that stands in two places is written twice


def _json(data: dict[str, Any]) -> str:
    """JSON, which is YAML and leaves no doubt, with YAML's escapes for what no line of text shows."""
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    return "".join(
        character if character.isprintable() or character == "\n" else f"\\U{ord(character):08x}"
        for character in text
    )


def _refuse_others(target: Path, name: str, files: dict[Path, str]) -> None:
    """Write over nothing but an earlier state of the same manifest."""
    own: str = ""
    if target.exists():
        if _name_in(target) != name:
            raise ManifestError(
                [Problem(str(target), None, "name", "it is the file of another manifest", "another folder")]
            )
        own = target.read_text()
    for path in files:
        if path.exists() and path.name not in own:
            raise ManifestError(
                [Problem(str(path), None, "", "is there already, and not of this manifest", "another name")]
            )


def _name_in(path: Path) -> str | None:
    try:
        return check_document(read_document(path, path.name)).name
    except ManifestError:
        return None
