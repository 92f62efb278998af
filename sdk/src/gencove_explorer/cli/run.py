"""``explorer run FILE:FUNCTION``."""

import contextlib
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from explorer_runner.context import GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.format.validation import load_json
from explorer_runner.shell import get_ipython
from gencove_explorer.analysis import Analysis
from gencove_explorer.cli.common import echo, json_option, print_json
from gencove_explorer.errors import JobFailed
from gencove_explorer.manifests.function_source import SourceError, without_magics
from gencove_explorer.models.sheets import MAX_BYTES
from gencove_explorer.monitoring import waiting
from gencove_explorer.utils.text_files import decode, read_text

_MAX_SOURCE_BYTES = 16 << 20


@click.command()
@click.argument("target", metavar="FILE:FUNCTION")
@click.option("--input", "input_json", metavar="JSON", help="The input; a JSON list is an array of jobs.")
@click.option(
    "--input-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with it."
)
@click.option("--global-config", metavar="JSON", help="A JSON object: what all jobs share.")
@click.option("--name", help="Name of the analysis; default: the function's.")
@click.option("--cpu", type=int, help="CPUs of each job.")
@click.option("--memory-mb", type=int, help="Memory of each job, in MiB.")
@click.option("--memory-mb-max", type=int, help="MiB up to which it is doubled for jobs killed for it.")
@click.option("--timeout-seconds", type=int, help="Seconds after which a job is ended.")
@click.option("--retries", type=int, help="How many more times a failed job is tried.")
@click.option(
    "--pip", "pip_packages", multiple=True, metavar="REQUIREMENT", help="A package; may be repeated."
)
@click.option("--label", "labels", multiple=True, metavar="NAME=TEXT", help="May be repeated.")
@click.option("--reuse", is_flag=True, help="Do not run jobs again that succeeded before, all else the same.")
@click.option("--canary", type=int, metavar="N", help="N jobs first; the others when all of these succeeded.")
@click.option("--max-failures", metavar="N|P%", help="Start no more jobs when N, or P percent, have failed.")
@click.option("--parallel", type=int, metavar="N", help="At most N jobs at once.")
@click.option("--container", is_flag=True, help="With --local: in containers of the jobs' image, by Docker.")
@click.option("--local", is_flag=True, help="Run here and now, with the output as it comes (run_local).")
@click.option("--wait", is_flag=True, help="Wait until all jobs have ended; exit code 1 if any failed.")
@json_option
@click.pass_context
def run(
    context: click.Context,
    /,
    target: str,
    input_json: str | None,
    input_file: Path | None,
    global_config: str | None,
    name: str | None,
    pip_packages: tuple[str, ...],
    labels: tuple[str, ...],
    reuse: bool,
    canary: int | None,
    max_failures: str | None,
    parallel: int | None,
    container: bool,
    local: bool,
    wait: bool,
    as_json: bool,
    **resources: Any,
) -> None:
    """Run a function of a file.

    The file is executed to find it: what submits analyses there belongs under if __name__ == "__main__".

    \b
    explorer run analysis.py:work --input '["foo", "bar"]' --wait
    explorer run analysis.py:work --local --pip pendulum
    """
    if input_json is not None and input_file is not None:
        raise click.UsageError("give --input or --input-file, not both")
    if local and (reuse or canary is not None or max_failures is not None):
        raise click.UsageError(
            "--local runs each job here and now: leave out --reuse, --canary, --max-failures"
        )
    analysis = Analysis(
        function=load_function(target),
        input=_input(input_json, input_file),
        name=name,
        job_definition=_definition(resources),
        global_config=GlobalConfig(**_object(global_config)) if global_config else None,
        pip_packages=list(pip_packages),
        labels=dict(_pair(label) for label in labels),
    )
    if local:
        try:
            analysis.run_local(parallel=parallel or 1, container=container)
        except JobFailed:
            pass  # its traceback was shown as it came; the status below says the rest
    else:
        failures = _failures(max_failures)
        analysis.run(reuse=reuse or None, canary=canary, max_failures=failures, parallel=parallel)
        if wait:
            try:
                waiting.wait(analysis._submitted(), lambda observed: observed.finished)
            except KeyboardInterrupt:
                echo(f"no longer waiting; the jobs go on: explorer wait {analysis.id}", err=True)
                context.exit(130)
    status = analysis.status()
    if as_json:
        print_json({"id": analysis.id, **status})
    elif local or wait:
        echo(f"{analysis.id}: {status['status']}")
        if "reason" in status:
            echo(status["reason"])
    context.exit(0 if status["status"] == "SUCCEEDED" or not (local or wait) else 1)


def _input(text: str | None, file: Path | None) -> Any:
    """What --input or --input-file has; None without either."""
    if file:
        return _parse(_read(file), f"--input-file {file}")
    return _parse(text, "--input") if text is not None else None


def _failures(text: str | None) -> int | float | None:
    """What --max-failures has: a number of jobs, or a share of them."""
    if text is None:
        return None
    try:
        return float(text.removesuffix("%")) / 100 if text.endswith("%") else int(text)
    except ValueError:
        raise click.UsageError(
            f"--max-failures {text}: use a number of jobs, or a share such as 5%"
        ) from None


def _definition(resources: Mapping[str, Any]) -> JobDefinition | None:
    """What the options of resources ask for; None if none was given."""
    options = {name: value for name, value in resources.items() if value is not None}
    return JobDefinition(**options) if options else None


def load_function(target: str) -> Callable[..., Any]:
    """The function that ``FILE:FUNCTION`` names. The file is executed, as a script of another name."""
    path_text, separator, name = target.rpartition(":")
    path = Path(path_text)
    if not separator or not path_text:
        raise click.UsageError(f"{target!r}: write FILE:FUNCTION, such as analysis.py:work")
    if not path.is_file():
        raise click.UsageError(f"{path} is not a file")
    try:
        text = read_text(path, _MAX_SOURCE_BYTES)
        code = compile(without_magics(text) if path.suffix == ".ipy" else text, str(path.resolve()), "exec")
    except SourceError as error:
        raise click.UsageError(f"{path} {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise click.UsageError(f"{path} is not Python: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise click.UsageError(f"{path} is not Python: it is nested too deeply") from error
    namespace: dict[str, Any] = {"__name__": "explorer_file", "__file__": str(path.resolve())}
    if path.suffix == ".ipy":
        namespace["get_ipython"] = get_ipython
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            exec(code, namespace)  # noqa: S102  the user's own file, at the user's word
    except Exception as error:
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        text = "".join(traceback.format_exception(type(error), error, trace))
        raise click.ClickException(f"{path} could not be loaded:\n{text.rstrip()}") from error
    finally:
        sys.path.pop(0)
    function = namespace.get(name)
    if not callable(function):
        functions = sorted(
            key
            for key, value in namespace.items()
            if callable(value) and not key.startswith("_") and key not in ("each", "finished")
        )
        raise click.UsageError(f"{path} has no function {name!r}; it has: {', '.join(functions) or 'none'}")
    return function  # type: ignore[no-any-return]


def _read(path: Path) -> str:
    """The text of a file, or of a pipe: <(...) of a shell is one."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        return decode(raw)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--input-file {path} cannot be read: {error}") from error


def _parse(text: str, option: str) -> Any:
    try:
        return load_json(text)
    except ValueError as error:
        raise click.UsageError(f"{option}: not JSON ({error}); a text needs quotes: '\"foo\"'") from error


def _object(text: str) -> dict[str, Any]:
    value = _parse(text, "--global-config")
    if not isinstance(value, dict):
        raise click.UsageError("--global-config: use a JSON object, such as '{\"folds\": 5}'")
    return value


def _pair(label: str) -> tuple[str, str]:
    name, separator, text = label.partition("=")
    if not separator or not name:
        raise click.UsageError(f"--label {label!r}: write NAME=TEXT")
    return name, text
