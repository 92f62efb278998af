"""Inputs, pickled one by one into a file: never all of them in memory."""

import hashlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer_runner.format.payload import IDENTITY_BYTES, INLINE_BYTES, InputEntry, read_entry
from explorer_runner.system.folders import make_private
from gencove_explorer.capture.function_pickler import FunctionPickler
from gencove_explorer.capture.identity import identity_of, is_plain, plain_digest
from gencove_explorer.capture.modules import JobModules
from gencove_explorer.capture.pickler import Pickler
from gencove_explorer.errors import CaptureError, SubmissionError
from gencove_explorer.utils.log import get_logger

MAX_INPUT_BYTES = 256 << 20
WARN_BYTES = 1 << 30
WARN_INPUT_BYTES = 10 << 20

_log = get_logger(__name__)


class PickledInputs:
    """All inputs of a round: their index, and their bytes in memory or, when large, in a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = bytearray()
        self._small = io.BytesIO()
        self._file: Any = None
        self._elsewhere = False
        self.size = 0
        self.buckets: dict[str, str] = {}
        """S3 buckets that files among them lie in, each with the key of one of them."""
        self.identities: list[bytes] = []
        """What each stands for; files count by their addresses."""
        self.addresses: dict[int, frozenset[str]] = {}
        """Of the files that an input names, by its row."""
        self.content: bytes | None = None
        """The identities once more, where files count by what their addresses hold; None: nobody looked."""
        self._all_plain = True

    @property
    def index(self) -> bytes:
        return bytes(self._index)

    @property
    def inside(self) -> bytes | None:
        """The bytes, if they are few enough to travel inside the payload."""
        return None if self._file or self._elsewhere else self._small.getvalue()

    @property
    def beginning(self) -> bytes:
        """All of them, or so many as would travel inside the payload."""
        if self._file is None:
            return self._small.getvalue()
        with open(self._file.name, "rb") as file:
            return file.read(INLINE_BYTES)

    @property
    def path(self) -> Path | None:
        """The file, if they are not."""
        return Path(self._file.name) if self._file else None

    @property
    def named(self) -> bytes | None:
        """The identities, unless the index tells them."""
        return None if self._all_plain else b"".join(self.identities)

    @property
    def content_identities(self) -> list[bytes]:
        """The identities with files by what they hold; where nobody looked, or there is none, as they are."""
        content = self.content
        if content is None:
            return self.identities
        return [content[start : start + IDENTITY_BYTES] for start in range(0, len(content), IDENTITY_BYTES)]

    def resolve_files(self, versions: Mapping[str, str]) -> None:
        """Make ``content``. ``versions``: of all addresses, what they hold."""
        content = list(self.identities)
        for row, raw in self._with_files():
            content[row] = identity_of(raw, versions).digest
        self.content = b"".join(content)

    def _with_files(self) -> Iterator[tuple[int, bytes]]:
        """Row and pickle of the inputs that name files."""
        self.flush()
        source = open(self._file.name, "rb") if self._file else io.BytesIO(self._small.getvalue())
        with source:
            for row in sorted(self.addresses):
                entry = read_entry(self._index, row)
                source.seek(entry.offset)
                yield row, source.read(entry.length)

    def add(self, raw: bytes | memoryview) -> None:
        sha256 = hashlib.sha256(raw).digest()
        self._index += InputEntry(self.size, len(raw), sha256).pack()
        if is_plain(raw):  # as most are
            self.identities.append(plain_digest(sha256))
        else:
            identity = identity_of(raw)
            if identity.addresses:
                self.addresses[len(self.identities)] = identity.addresses
            self._note(identity.digest, sha256)
        self.size += len(raw)
        if self._file is None and self.size > INLINE_BYTES:
            make_private(str(self._folder))
            self._file = tempfile.NamedTemporaryFile(dir=self._folder, prefix="inputs-", delete=False)
            self._file.write(self._small.getvalue())
            self._small = io.BytesIO()
        (self._file or self._small).write(raw)

    def refer(self, entry: bytes, identity: bytes) -> None:
        """Take an input that lies in the analysis's own inputs.bin already, by its index entry."""
        self._elsewhere = True
        self._index += entry
        self._note(identity, read_entry(entry, 0).sha256)

    def _note(self, identity: bytes, sha256: bytes) -> None:
        self.identities.append(identity)
        self._all_plain = self._all_plain and identity == plain_digest(sha256)

    def flush(self) -> None:
        if self._file:
            self._file.flush()

    def discard(self) -> None:
        """Remove the file, if there is one and nobody took it."""
        if self._file:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)


def pickle_inputs(inputs: Sequence[Any], array: bool, modules: JobModules, folder: Path) -> PickledInputs:
    """Pickle each input. Raises CaptureError naming index and path of one that cannot be."""
    pickled = PickledInputs(folder)
    buffer = io.BytesIO()
    pickler = Pickler(buffer, modules)
    largest = (0, 0)
    try:
        for index, value in enumerate(inputs):
            try:
                pickler.dump(value)
            except Exception as error:
                # The exact message takes another look, at this input alone.
                name = f"input[{index}]" if array else "input"
                FunctionPickler(modules).value(value, name)
                raise CaptureError(f"{name}: {error}") from error
            if buffer.tell() > MAX_INPUT_BYTES:
                raise SubmissionError(
                    f"input[{index}] is {buffer.tell() >> 20} MB when pickled, more than "
                    f"{MAX_INPUT_BYTES >> 20}: keep the data in a file and pass its path or address"
                )
            largest = max(largest, (buffer.tell(), -index))
            with buffer.getbuffer() as view:
                pickled.add(view)
            buffer.seek(0)
            buffer.truncate()
            pickler.clear_memo()
        pickled.buckets = pickler.buckets
        pickled.flush()
    except OSError as error:
        pickled.discard()
        raise SubmissionError(f"the inputs could not be kept in {folder}: {error}") from error
    except BaseException:
        pickled.discard()
        raise
    if largest[0] > WARN_INPUT_BYTES:
        name = f"input[{-largest[1]}]" if array else "input"
        _log.warning("%s is %d MB when pickled: files that jobs read cost less", name, largest[0] >> 20)
    if pickled.size > WARN_BYTES:
        _log.warning(
            "the inputs are %.1f GB in all when pickled: files that jobs read cost less",
            pickled.size / 1e9,
        )
    return pickled
