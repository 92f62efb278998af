"""Where packages come from: the user's own configuration of uv, or else of pip.

uv reads its own. Where that names no index, what pip is configured to use is handed to it, with pip's
meaning: the best version of all indexes (https://pip.pypa.io/en/stable/topics/configuration/).
"""

import configparser
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_UV_VARIABLES = (
    *("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    *("UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX"),
)
_UV_KEYS = ("index", "index-url", "extra-index-url", "find-links", "no-index")
_PIP_OPTIONS = {"extra-index-url": "--extra-index-url", "find-links": "--find-links"}


class Indexes:
    """The package indexes of a user, for one resolution."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.environment = environment
        self.folder = folder
        """uv's configuration is looked for here and above."""

    @cached_property
    def arguments(self) -> list[str]:
        """What uv has to be told beyond what it reads itself."""
        if self._uv_names_any or not self._pip:
            return []
        options: list[str] = []
        if index := self._pip.get("index-url"):
            options += ["--default-index", index]
        for key, option in _PIP_OPTIONS.items():
            for part in self._pip.get(key, "").split():
                options += [option, part]
        if self._pip.get("no-index", "").lower() in ("1", "true", "yes", "on"):
            options.append("--no-index")
        if options:
            options += ["--index-strategy", "unsafe-best-match"]
        for part in self._pip.get("trusted-host", "").split():
            options += ["--allow-insecure-host", part]
        return options

    @property
    def constraints(self) -> list[str]:
        """The constraint files of pip's configuration; uv knows those of its own."""
        return [] if self.environment.get("UV_CONSTRAINT") else self._pip.get("constraint", "").split()

    @property
    def certificates(self) -> str | None:
        """The file of certificates that pip is configured to trust."""
        return self._pip.get("cert")

    def password(self, url: str) -> tuple[str, str] | None:
        """``(user, password)`` for a file of an index, from the addresses of indexes or their variables."""
        parsed = urlsplit(url)
        for name, address in self._addresses():
            parts = urlsplit(address)
            if (parts.scheme, parts.hostname, parts.port) != (parsed.scheme, parsed.hostname, parsed.port):
                continue
            prefix = f"UV_INDEX_{''.join(c if c.isalnum() else '_' for c in name).upper()}_"
            user = self.environment.get(f"{prefix}USERNAME") or parts.username
            password = self.environment.get(f"{prefix}PASSWORD") or parts.password
            if user or password:
                return user or "", password or ""
        return None

    def _addresses(self) -> Iterator[tuple[str, str]]:
        for variable in _UV_VARIABLES[:4]:
            for part in self.environment.get(variable, "").split():
                name, separator, address = part.partition("=")
                yield (name, address) if separator and "/" not in name else ("", part)
        for table in self._uv_tables:
            for index in table.get("index", ()):
                yield str(index.get("name", "")), str(index.get("url", ""))
            extra = table.get("extra-index-url", ())
            for part in (table.get("index-url"), *([extra] if isinstance(extra, str) else extra)):
                if part:
                    yield "", str(part)
        for key in ("index-url", "extra-index-url"):
            for part in self._pip.get(key, "").split():
                yield "", part

    @cached_property
    def _uv_names_any(self) -> bool:
        named = any(self.environment.get(variable) for variable in _UV_VARIABLES)
        return named or any(key in table for table in self._uv_tables for key in _UV_KEYS)

    @cached_property
    def _uv_tables(self) -> list[dict[str, Any]]:
        """The parsed tables of uv's configuration, the nearest first."""
        named = self.environment.get("UV_CONFIG_FILE")
        if named:
            files = [Path(named)]
        else:
            home = Path(self.environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
            near = next(
                (p for up in (self.folder, *self.folder.parents) if (p := _project_file(up)) is not None),
                None,
            )
            files = [*([near] if near else []), home / "uv" / "uv.toml", Path("/etc/uv/uv.toml")]
        tables = []
        for file in files:
            table = _read_toml(file)
            if file.name == "pyproject.toml":
                table = table.get("tool", {}).get("uv", {})
            tables += [table, table.get("pip", {})]
        return tables

    @cached_property
    def _pip(self) -> dict[str, str]:
        """Pip's options by their long names, the last configuration's value first heard."""
        options: dict[str, str] = {}
        parser = configparser.RawConfigParser()
        for file in self._pip_files():
            try:
                parser.read(file, encoding="utf-8")
            except (configparser.Error, OSError, UnicodeDecodeError):
                continue  # pip's own affair, which says so when it is used
        for section in ("global", "install"):
            if parser.has_section(section):
                options.update(parser.items(section))
        for name, value in self.environment.items():
            if name.startswith("PIP_") and value:
                options[name.removeprefix("PIP_").lower().replace("_", "-")] = value
        return options

    def _pip_files(self) -> list[Path]:
        home = Path.home()
        config = Path(self.environment.get("XDG_CONFIG_HOME") or home / ".config")
        files = [
            Path("/etc/pip.conf"),
            Path("/etc/xdg/pip/pip.conf"),
            home / ".pip" / "pip.conf",
            *([home / "Library/Application Support/pip/pip.conf"] if sys.platform == "darwin" else []),
            config / "pip" / "pip.conf",
            Path(sys.prefix) / "pip.conf",
        ]
        own = self.environment.get("PIP_CONFIG_FILE")
        if own == os.devnull:
            return []
        return [*files, Path(own)] if own else files


def _project_file(folder: Path) -> Path | None:
    """What uv takes as a folder's configuration: uv.toml, else pyproject.toml."""
    return next((folder / name for name in ("uv.toml", "pyproject.toml") if (folder / name).exists()), None)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}  # not there; or not to be read, which uv says when it is used
