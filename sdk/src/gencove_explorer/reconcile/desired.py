"""From manifests to what a plan compares."""

import hashlib
from collections.abc import Mapping

from explorer_runner.definition import JobDefinition
from gencove_explorer.manifests.load import LoadedManifest
from gencove_explorer.manifests.schema import OutputInput
from gencove_explorer.reconcile.plan import DesiredRun
from gencove_explorer.reconcile.specification import Specification


def desired_runs(manifests: Mapping[str, LoadedManifest]) -> dict[str, DesiredRun]:
    """What each manifest asks for."""
    return {
        name: DesiredRun(
            name=name,
            file=loaded.file,
            specification=specification_of(loaded),
            reads=source.output.manifest
            if isinstance(source := loaded.manifest.input, OutputInput)
            else None,
            rows=loaded.input.rows if loaded.input else (),
        )
        for name, loaded in manifests.items()
    }


def specification_of(loaded: LoadedManifest) -> Specification:
    """What a revision records of a manifest."""
    manifest = loaded.manifest
    source = manifest.input
    identity = {"output": source.output.model_dump(exclude_none=True)} if loaded.input is None else None
    return Specification(
        function=loaded.function.name,
        source=loaded.function.text,
        input=identity or (loaded.input.identity if loaded.input else {}),
        global_config=manifest.global_config,
        pip_packages=tuple(manifest.pip_packages),
        folders=loaded.folders,
        lock=hashlib.sha256(loaded.lock).hexdigest() if loaded.lock is not None else None,
        job_definition=(manifest.job_definition or JobDefinition()).to_json(),
        depends_on=manifest.dependencies(),
        labels=manifest.labels,
        options=manifest.options.chosen,
        on_failure=manifest.on_failure,
    )
