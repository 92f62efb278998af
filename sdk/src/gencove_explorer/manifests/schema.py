"""The form of a manifest: its keys, their types, and the JSON Schema that editors complete from."""

from dataclasses import fields
from functools import reduce
from operator import getitem
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    create_model,
    model_validator,
)

from explorer_runner.definition import JobDefinition
from explorer_runner.format.names import NAME_LENGTH, check_name
from explorer_runner.format.payload import ALL, EACH, FINISHED
from gencove_explorer.errors import ExplorerError
from gencove_explorer.manifests.problems import ManifestError, Problem, suggest
from gencove_explorer.manifests.yaml_document import Document, dotted
from gencove_explorer.packages.requirements import check_text
from gencove_explorer.submission.request import RunOptions

SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=False)


def _checked(check: Any) -> Any:
    """A check of ours as pydantic has them: its message is the fault."""

    def run(value: Any) -> Any:
        try:
            check(value)
        except ExplorerError as error:
            raise ValueError(str(error)) from error
        return value

    return AfterValidator(run)


def _path(text: str) -> str:
    path = PurePosixPath(text)
    if not text or path.is_absolute() or "\\" in text or "\0" in text or text.startswith("~"):
        raise ValueError("use a path relative to the manifest, with forward slashes")
    return text


RelativePath = Annotated[str, AfterValidator(_path)]
Name = Annotated[
    str,
    _checked(check_name),
    Field(
        description="Of the manifest and of its analyses.",
        json_schema_extra={"pattern": rf"^[A-Za-z0-9_-]{{1,{NAME_LENGTH}}}$"},
    ),
]
Suffixes = Annotated[list[str], Field(description="Suffixes of files that lie beside each, such as .bai.")]


class FileInput(_Model):
    """The rows of a table (.csv, .tsv), the lines of a .jsonl file, or the value of a .json file.

    Rows with a column ``id`` are samples.
    """

    file: RelativePath


def _addresses(value: Any) -> Any:
    given = value if isinstance(value, list) else [value]
    if not given or not all(isinstance(item, str) and item for item in given):
        raise ValueError("an address, or a list of addresses")
    return value


class FilesInput(_Model):
    """Files by their addresses: of a list one a job. One address alone is a single file."""

    files: Annotated[
        Any,
        BeforeValidator(_addresses, json_schema_input_type=str | Annotated[list[str], Field(min_length=1)]),
    ]
    secondary_files: Suffixes = []


class SampleFields(_Model):
    """What a sample is made of, as Python's ``Sample`` has it."""

    id: Annotated[str, Field(min_length=1)]
    client_id: str = ""
    metadata: dict[str, JsonValue] = {}
    files: dict[str, str] = {}


class SampleInput(_Model):
    """A single sample. Those of a study stand in a sheet."""

    sample: SampleFields


class ObjectsInput(_Model):
    """One file a job: the objects of a bucket (or files of the repository) that a pattern names."""

    objects: Annotated[str, Field(description="s3://bucket/folder/*.bam; ** stands for folders, too.")]
    secondary_files: Suffixes = []


class Output(_Model):
    """An output of the analysis of another manifest: one of its values, or one of its files, by key."""

    manifest: Name
    value: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.value is None) == (self.file is None):
            raise ValueError("give either value or file, the key of the output")
        return self


class OutputInput(_Model):
    """What another analysis gave, once it has succeeded."""

    output: Output


class ValueInput(_Model):
    """A value as it stands, also one that looks like one of the other forms."""

    value: JsonValue


Source = FileInput | FilesInput | SampleInput | ObjectsInput | OutputInput | ValueInput
_SOURCES: dict[str, type[Source]] = {
    "file": FileInput,
    "files": FilesInput,
    "sample": SampleInput,
    "objects": ObjectsInput,
    "output": OutputInput,
    "value": ValueInput,
}


def _form_of(value: Any) -> type[Source] | None:
    if not isinstance(value, dict):
        return None
    # "sample" alone is a likely key of anyone's own: its name, say.
    heads = (
        head for head in _SOURCES if head in value and (head != "sample" or isinstance(value[head], dict))
    )
    return next((_SOURCES[head] for head in heads), None)


def is_form(value: Any) -> bool:
    """Whether a value is read as one of the forms, and not as the value that it is."""
    return _form_of(value) is not None


def source_of(value: Any) -> Source:
    """A mapping that has the key of a form is of that form; all else is the value itself."""
    form = _form_of(value)
    return form.model_validate(value) if form else ValueInput(value=value)


def _shared(value: Any) -> Any:
    """A value of global_config: its form is checked, and it stays as it is written."""
    if isinstance(source_of(value), OutputInput):
        raise ValueError("an output is an input, or read in the function: ac.dependency(...).get_output()")
    return value


class Each(_Model):
    """A dependency job by job: job i waits for, and reads, its job i only."""

    each: Name


class Finished(_Model):
    """A dependency whose jobs have to have ended, however."""

    finished: Name


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)  # the runner's own holds, and depends on the machine


def _kind_of(value: Any) -> str:
    if isinstance(value, Finished) or (isinstance(value, dict) and FINISHED in value):
        return FINISHED
    return EACH if isinstance(value, dict | Each) else ALL


Dependency = Annotated[
    Annotated[Name, Tag(ALL)] | Annotated[Each, Tag(EACH)] | Annotated[Finished, Tag(FINISHED)],
    Discriminator(_kind_of),
]

Resources = create_model(  # the fields of JobDefinition, without a second list of them
    "Resources",
    __base__=_Model,
    __doc__="What each job asks of the machine that runs it.",
    **{  # type: ignore[call-overload]
        field_.name: (
            dict[str, str] if field_.name in ("environment", "secrets") else field_.type,
            Field(default=None, json_schema_extra=_without_default),
        )
        for field_ in fields(JobDefinition)
    },
)


def _definition(value: Any) -> JobDefinition:
    given = Resources.model_validate(value).model_dump(exclude_unset=True)
    try:
        return JobDefinition(**given)
    except ExplorerError as error:
        raise ValueError(str(error)) from error


Shared = Annotated[
    Any,
    BeforeValidator(
        _shared,
        json_schema_input_type=FileInput | FilesInput | SampleInput | ObjectsInput | ValueInput | JsonValue,
    ),
]


def _identifiers(config: dict[str, Any]) -> dict[str, Any]:
    wrong = [name for name in config if not name.isidentifier()]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is read as an attribute, so it must be a name as Python has them")
    return config


def _function(text: str) -> str:
    path, _, name = text.rpartition(":")
    if not path or not name.isidentifier() or not path.endswith((".py", ".ipy")):
        raise ValueError("use FILE:FUNCTION, such as analyses/scan.py:work")
    _path(path)
    return text


class Manifest(_Model):
    """An analysis as a file that is committed. Its keys are the arguments of ``Analysis``."""

    version: Annotated[Literal[1], Field(description="Of this form.")]
    name: Name
    function: Annotated[
        str,
        AfterValidator(_function),
        Field(description="FILE:FUNCTION, relative to the manifest, inside the repository."),
    ]
    input: Annotated[Any, BeforeValidator(source_of, json_schema_input_type=Source | JsonValue)] = None
    global_config: Annotated[dict[str, Shared], AfterValidator(_identifiers)] = {}
    pip_packages: list[Annotated[str, _checked(check_text)]] = []
    job_definition: Annotated[Any, BeforeValidator(_definition, json_schema_input_type=Resources)] = None
    depends_on: list[Dependency] = []
    labels: dict[str, str] = {}
    reuse: Annotated[
        bool,
        Field(description="Whether jobs that succeeded before, all else the same, are not run again."),
    ] = False
    canary: Annotated[
        int | None, Field(ge=1, description="So many jobs run first, the others when all of these succeeded.")
    ] = None
    max_failures: Annotated[
        int | float | None,
        _checked(lambda value: RunOptions(max_failures=value)),
        Field(description="So many jobs, or such a share (0.05), may fail before no more are started."),
    ] = None
    parallel: Annotated[int | None, Field(ge=1, description="So many jobs may run at once.")] = None
    on_failure: Annotated[
        Literal["hold", "retry_failed"],
        Field(description="hold: a failed run waits for a person; retry_failed: its failed jobs run again."),
    ] = "hold"

    @property
    def options(self) -> RunOptions:
        """How it is run."""
        return RunOptions(
            reuse=self.reuse, canary=self.canary, max_failures=self.max_failures, parallel=self.parallel
        )

    def dependencies(self) -> dict[str, str]:
        """Name -> how it waits for it, of all that it depends on; inputs that are outputs included."""
        kinds = {_name_of(item): _kind_of(item) for item in self.depends_on}
        if isinstance(self.input, OutputInput):
            kinds.setdefault(self.input.output.manifest, ALL)
        return kinds


def _name_of(dependency: str | Each | Finished) -> str:
    match dependency:
        case Each(each=name) | Finished(finished=name):
            return name
    return dependency


def check_document(document: Document) -> Manifest:
    """The manifest of a document. Raises ManifestError with every fault that it has."""
    try:
        return Manifest.model_validate(document.data)
    except ValidationError as error:
        raise ManifestError([_fault(document, problem) for problem in error.errors()]) from error


def _fault(document: Document, error: Any) -> Problem:
    where = tuple(error["loc"])
    if where[:1] == ("depends_on",) and len(where) > 2:
        where = (*where[:2], *where[3:])  # without pydantic's name of the form
    kind, given = error["type"], error["input"]
    description = f"found {_shown(given, where)}"
    allowed = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "missing":
        description, allowed = "is missing", "it is required"
    elif kind == "extra_forbidden":
        description, allowed = "is not a key here", suggest(str(where[-1]), _keys_at(where[:-1], document))
    elif kind == "model_type":
        allowed = f"a mapping with {', '.join(_keys_at(where, document))}"
    return Problem(document.file, document.line(where), dotted(where), description, allowed)


def _keys_at(where: tuple[str | int, ...], document: Document) -> list[str]:
    models: dict[tuple[str | int, ...], Any] = {
        (): Manifest,
        ("job_definition",): Resources,
        ("input", "output"): Output,
    }
    model = models.get(where)
    if where[-1:] == ("sample",):
        model = SampleFields
    elif where == ("input",) or (where[:1] == ("global_config",) and len(where) == 2):
        model = _form_of(reduce(getitem, where, document.data))
    if where[:1] == ("depends_on",):
        model = Each
    return list(model.model_fields) if model else []


def _shown(value: Any, where: tuple[str | int, ...]) -> str:
    """What was found, unless it may hold a secret or is long."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if where[:1] == ("pip_packages",) or "secrets" in where or "environment" in where:
        return f"a {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a manifest."""
    return {"$schema": SCHEMA_URL, **Manifest.model_json_schema()}
