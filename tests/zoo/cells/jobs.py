"""What runs inside the jobs: objects are looked at there, and what was seen is written to a file."""

import ast
import builtins
import contextlib
import importlib
from collections.abc import Callable
from typing import Any


def evaluate(text: str, names: dict[str, Any]) -> Any:
    """The value of an expression; the modules that it names are imported into ``names``."""
    tree = ast.parse(text, mode="eval")
    bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            import_named(ast.unparse(node), names, bound)
    return eval(compile(tree, "<zoo>", "eval"), names)


def import_named(dotted: str, names: dict[str, Any], bound: set[str]) -> None:
    top, *parts = dotted.split(".")
    if not dotted.replace(".", "").isidentifier() or top in bound or hasattr(builtins, top):
        return
    if top not in names:
        names[top] = importlib.import_module(top)
    if getattr(names[top], "__name__", None) == top and hasattr(names[top], "__path__"):
        with contextlib.suppress(ModuleNotFoundError):
            for length in range(1, len(parts) + 1):
                importlib.import_module(".".join([top, *parts[:length]]))


def view_of(thing: Any, view: str) -> Any:
    """What a row shows of a thing, or the error that it ends in."""
    try:
        return "seen", evaluate(view, {"o": thing})
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"


def pickled_view(thing: Any, view: str) -> bytes:
    import cloudpickle

    try:
        return cloudpickle.dumps(view_of(thing, view))
    except Exception as error:
        return cloudpickle.dumps(("failed", f"the view: {error}"))


def keep_output(ac: Any, key: str, thing: Any) -> str | None:
    """Keep a thing as an output value; the text of the refusal, if there is one."""
    try:
        ac.output.value(key, thing)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def look(ac: Any, taken: dict[str, dict[str, Any]]) -> None:
    """View everything that was taken along, and keep what is to be kept as output values."""
    import pickle

    views = ac.input["views"]
    refused = {key: keep_output(ac, key, thing) for key, thing in ac.input["outputs"].items()}
    seen = {
        way: {key: pickled_view(thing, views[key]) for key, thing in things.items()}
        for way, things in taken.items()
    }
    ac.output.file("seen").as_local().write_bytes(pickle.dumps((seen, refused)))


def make_inside(ac: Any, things: list[tuple[str, str, Callable[[], Any]]]) -> None:
    """What advice says of things that cannot travel: make them inside the work function."""
    import pickle

    seen = {key: pickled_view(make(), view) for key, view, make in things}
    refused = {key: keep_output(ac, key, make()) for key, _, make in things}
    ac.output.file("seen").as_local().write_bytes(pickle.dumps(({"inside": seen}, refused)))
