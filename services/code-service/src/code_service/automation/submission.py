"""What a request for a job brings: options, and files (uploaded or by path) kept aside for the job."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from code_service.actor import Actor
from code_service.automation.planning.model import PlannedRow
from code_service.batch_jobs.files import JobFiles, open_file, tenant_folder
from shared.errors import PayloadTooLargeError, UnsupportedMediaTypeError
from shared.errors import ValidationError as WrongRequest
from shared.utils import uuid7
from shared.web.idempotency import IdempotencyGuard

_CHUNK = 1024 * 1024
_MAX_FIELDS = 60
_MAX_FILES = 2
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files of a request by role, in a folder that is removed unless a job takes it over."""

    folder: Path
    names: Mapping[str, str]

    def path(self, role: str) -> Path:
        """Raises a ValidationError (400) for a file that was not given."""
        if role not in self.names:
            raise WrongRequest(f"A file is needed: upload it as {role}, or name its path", field=role)
        return self.folder / self.names[role]

    def hand_over(self, files: JobFiles) -> None:
        """Make them the files of a job."""
        files.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.rename(files.folder)

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Submission(Generic[M]):
    """A request, read and checked; one for a job at the shop with its plan."""

    by: Actor
    options: M
    inputs: Inputs
    idem: IdempotencyGuard
    job_type: str = ""
    rows: Sequence[PlannedRow] = ()


class Reader:
    """Reads the requests of one tenant. `roles` maps a file's role to the option that may name its path."""

    def __init__(self, data_dir: Path, by: Actor, roles: Mapping[str, str], max_bytes: int) -> None:
        self._data_dir = data_dir
        self._by = by
        self._roles = roles
        self._left = max_bytes
        self._folder = tenant_folder(data_dir, by.tenant_id) / "incoming" / str(uuid7())
        self._names: dict[str, str] = {}
        self._digest = hashlib.sha256()

    async def read(self, request: Request, model: type[M]) -> Submission[M]:
        """Raises 400 for paths that are not the tenant's, 413, 415 and 422. Files are kept in any case of
        success; call `inputs.discard` at the end.
        """
        try:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "application/json" or not kind:
                options = _validated(model, await _json(request))
            elif kind == "multipart/form-data":
                async with request.form(max_fields=_MAX_FIELDS, max_files=_MAX_FILES) as form:
                    options = _validated(model, self._fields(form))
                    for role, upload in self._uploads(form):
                        await asyncio.to_thread(self._keep, role, upload.filename or "", upload.file)
            else:
                raise UnsupportedMediaTypeError("Send application/json or multipart/form-data")
            await asyncio.to_thread(self._take_paths, options)
        except BaseException:
            # Whatever stopped the request: nothing will ask for these files.
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return Submission(self._by, options, Inputs(self._folder, self._names), self._guard(request, options))

    def _fields(self, form: FormData) -> dict[str, Any]:
        """A form's values; an empty one counts as left out."""
        return {name: value for name, value in form.multi_items() if isinstance(value, str) and value != ""}

    def _uploads(self, form: FormData) -> list[tuple[str, UploadFile]]:
        found = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
        for name, _ in found:
            if name not in self._roles:
                raise WrongRequest(f"No file is called {name}; known: {', '.join(self._roles)}", field=name)
        return found

    def _take_paths(self, options: BaseModel) -> None:
        for role, option in self._roles.items():
            path = getattr(options, option)
            if path is None:
                continue
            if role in self._names:
                raise WrongRequest(f"Give {role} as a file or as a path, not both", field=option)
            with open_file(self._data_dir, self._by.tenant_id, path) as source:
                self._keep(role, path, source)

    def _keep(self, role: str, filename: str, source: BinaryIO) -> None:
        name = role + (".xlsx" if filename.lower().endswith(".xlsx") else ".csv")
        if role in self._names:
            raise WrongRequest(f"There are two files called {role}", field=role)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._digest.update(f"{role}:".encode())
        with (self._folder / name).open("xb") as target:
            while chunk := source.read(_CHUNK):
                self._left -= len(chunk)
                if self._left < 0:
                    raise PayloadTooLargeError("The files are too large")
                self._digest.update(chunk)
                target.write(chunk)
        self._names[role] = name

    def _guard(self, request: Request, options: BaseModel) -> IdempotencyGuard:
        """By content: the boundary of a form is another one each time it is sent."""
        route = f"{request.method} {request.scope['route'].path}"
        key = request.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= 255:
            raise WrongRequest("An Idempotency-Key has 1 to 255 characters")
        self._digest.update(f"{self._by.name}|{route}|{options.model_dump_json()}".encode())
        return IdempotencyGuard(key, route, self._digest.hexdigest())


async def _json(request: Request) -> Any:
    try:
        return orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError as error:
        found = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error", "input": {}}
        raise RequestValidationError([found]) from error


def _validated(model: type[M], values: Any) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = [one | {"loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found) from error
