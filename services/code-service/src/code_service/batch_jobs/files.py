"""A tenant's own files on this machine: what they put there, and what their jobs made.

    <data_dir>/tenants/<tenant>/                 paths in requests are relative to this folder
    <data_dir>/tenants/<tenant>/jobs/<job>/      a job's inputs and artifacts

No path leads out of the tenant's folder: not by `..`, not from the root, not through a link. Everything here
blocks: off the event loop, run it in a thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from shared.errors import NotFoundError, ValidationError
from shared.utils import uuid7

#: What an artifact may be called. Names that begin with a dot are being written.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
_NAME = re.compile(NAME[:-1] + r"\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_MAX_PATH = 500
_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".png": "image/png",
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored file of a job; `size` in bytes."""

    name: str
    content_type: str
    size: int
    created_at: datetime


def safe_name(wanted: str, usual: str) -> str:
    """A name for a file whose name somebody else chose."""
    name = _UNSAFE.sub("_", Path(wanted.replace("\\", "/")).name).lstrip("._-")[:100]
    return name or usual


def tenant_folder(data_dir: Path, tenant_id: UUID) -> Path:
    return data_dir / "tenants" / str(tenant_id)


def open_file(data_dir: Path, tenant_id: UUID, path: str) -> BinaryIO:
    """A tenant's own file by its path below their folder.

    Raises ValidationError for a path that is not one, NotFoundError for what is not a plain file there.
    """
    parts = path.split("/")
    if len(path) > _MAX_PATH or _CONTROL.search(path) or not all(map(_is_part, parts)):
        raise ValidationError(
            "A path is relative to your own files: no / at the start, no .. and no hidden names"
        )
    return _open(tenant_folder(data_dir, tenant_id), parts)


def _is_part(part: str) -> bool:
    return part != "" and not part.startswith(".")


def _open(folder: Path, parts: list[str]) -> BinaryIO:
    """Go down one folder after the other, each held open, so that none can be exchanged for a link."""
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            for part in parts[:-1]:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held)
                os.close(held)
                held = below
            # Without waiting: a named pipe in the place of a file would never open.
            found = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=held)
        finally:
            os.close(held)
    except OSError as error:
        raise NotFoundError(f"There is no file {'/'.join(parts)}") from error
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise NotFoundError(f"There is no file {'/'.join(parts)}")
    return os.fdopen(found, "rb")


class JobFiles:
    """The files of one job of a tenant."""

    def __init__(self, data_dir: Path, tenant_id: UUID, job_id: UUID) -> None:
        self.folder = tenant_folder(data_dir, tenant_id) / "jobs" / str(job_id)

    def path(self, name: str) -> Path:
        """Where a file of this name is; ValueError for a name that is not safe."""
        if not _NAME.match(name):
            raise ValueError(f"{name!r} is no name of an artifact")
        return self.folder / name

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Write a file that is there as a whole or not at all. One of the same name is replaced."""
        target = self.path(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f".{uuid7()}"
        try:
            with part.open("xb") as file:
                yield file
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def save(self, name: str, data: bytes) -> None:
        with self.writing(name) as file:
            file.write(data)

    def list(self) -> list[Artifact]:
        """By name."""
        if not self.folder.is_dir():
            return []
        found = [_artifact(entry) for entry in os.scandir(self.folder) if _is_artifact(entry)]
        return sorted(found, key=lambda one: one.name)

    def open(self, name: str) -> tuple[Artifact, BinaryIO]:
        """Raises NotFoundError for what is not there."""
        if not _NAME.match(name):
            raise NotFoundError("There is no such artifact")
        file = _open(self.folder, [name])
        return _described(name, os.fstat(file.fileno())), file

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_artifact(entry: os.DirEntry[str]) -> bool:
    return _NAME.match(entry.name) is not None and entry.is_file(follow_symlinks=False)


def _artifact(entry: os.DirEntry[str]) -> Artifact:
    return _described(entry.name, entry.stat(follow_symlinks=False))


def _described(name: str, found: os.stat_result) -> Artifact:
    kind = _TYPES.get(Path(name).suffix.lower(), "application/octet-stream")
    return Artifact(name, kind, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def stored_jobs(data_dir: Path) -> Iterator[tuple[UUID, UUID]]:
    """Tenant and job of all that have files."""
    for folder in (data_dir / "tenants").glob("*/jobs/*"):
        try:
            yield UUID(folder.parent.parent.name), UUID(folder.name)
        except ValueError:
            continue


def sweep_incoming(data_dir: Path, older_than: float) -> int:
    """Remove what requests of before a time (seconds of the epoch) left when their process was killed."""
    removed = 0
    for folder in (data_dir / "tenants").glob("*/incoming/*"):
        with contextlib.suppress(FileNotFoundError):
            if folder.stat().st_mtime < older_than:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed
