"""From a manifest to the request that a notebook's Analysis would make."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from explorer_runner.context import GlobalConfig
from gencove_explorer.aws.buckets import BucketLister
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.errors import SubmissionError
from gencove_explorer.manifests.find import manifest_files
from gencove_explorer.manifests.inputs import ObjectLister
from gencove_explorer.manifests.load import LoadedManifest, load_file
from gencove_explorer.manifests.problems import ManifestError, Problem, suggest
from gencove_explorer.manifests.schema import OutputInput
from gencove_explorer.submission.request import AnalysisRequest, Dependency
from gencove_explorer.utils.git import repository_root


def from_manifest(path: str | os.PathLike[str], objects: ObjectLister | None = None) -> AnalysisRequest:
    """The request of a manifest, with those of what it depends on.

    Its dependencies are the manifests of those names in its folder or below, else further up in the
    repository. Raises ManifestError.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise ManifestError([Problem(str(path), None, "", "is not a file", "the path of a manifest")])
    root = repository_root(path.parent) or path.parent.resolve()
    objects = objects or BucketLister(AwsClients())
    built: dict[str, AnalysisRequest] = {}

    def make(loaded: LoadedManifest, above: tuple[str, ...]) -> AnalysisRequest:
        if isinstance(loaded.manifest.input, OutputInput):
            raise SubmissionError(
                f"the input of {loaded.name} is an output of {loaded.manifest.input.output.manifest}, "
                "which is known when that has succeeded: explorer reconcile runs it then"
            )
        dependencies = loaded.manifest.dependencies()
        for name in dependencies:
            if name in above:
                raise SubmissionError(f"the dependencies go in a circle: {' -> '.join([*above, name])}")
            if name not in built:
                built[name] = make(_find(name, loaded, root, objects), (*above, name))
        return build(loaded, [Dependency(built[name], kind) for name, kind in dependencies.items()])

    loaded = load_file(path, root, objects)
    return make(loaded, (loaded.name,))


def build(
    loaded: LoadedManifest, depends_on: Sequence[Dependency] = (), value: Any = None
) -> AnalysisRequest:
    """The request of a manifest; ``value`` is its input where that is an output of another one.

    Runs the part of the file that the function takes along. Raises SubmissionError.
    """
    manifest = loaded.manifest
    return AnalysisRequest(
        name=manifest.name,
        function=_load(loaded),
        input=loaded.input.value if loaded.input else value,
        job_definition=manifest.job_definition,
        global_config=GlobalConfig(**{name: shared.value for name, shared in loaded.shared.items()}),
        pip_packages=loaded.requirements(),
        depends_on=depends_on,
        labels=dict(manifest.labels),
        lock=loaded.lock,
        options=manifest.options,
    )


def _load(loaded: LoadedManifest) -> Callable[..., Any]:
    path = loaded.function.file.path
    sys.path.insert(0, str(path.parent))
    try:
        return loaded.function.load()
    except Exception as error:
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        text = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
        raise SubmissionError(
            f"{loaded.name}: {loaded.manifest.function} cannot be loaded:\n{text}"
        ) from error
    finally:
        sys.path.remove(str(path.parent))


def _find(name: str, by: LoadedManifest, root: Path, objects: ObjectLister) -> LoadedManifest:
    """The manifest of a name: searched in the folder of the one that needs it, then further up."""
    names: set[str] = set()
    folder = by.place.folder
    while True:
        for path in manifest_files(folder):
            try:
                loaded = load_file(path, root, objects)
            except ManifestError as error:
                if path.stem == name:
                    raise
                del error  # another one's fault is not in the way
                continue
            if loaded.name == name:
                return loaded
            names.add(loaded.name)
        if folder == root or not folder.is_relative_to(root):
            break
        folder = folder.parent
    line = by.document.line(("depends_on",))
    fault = Problem(
        by.file, line, "depends_on", f"there is no manifest {name!r}", suggest(name, sorted(names))
    )
    raise ManifestError([fault])
