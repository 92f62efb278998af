"""Folders that are made once and shared by all processes of a user."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gencove_explorer.errors import ExecutorError


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill beside ``folder``, which then becomes it: whole or not at all."""
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    try:
        yield part
        try:
            part.rename(folder)
        except OSError:
            if not folder.exists():
                raise  # else another process was faster
    except OSError as error:
        raise ExecutorError(f"the Python for jobs could not be set up in {folder.parent}: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
