"""Where a collection goes: a file, or an object in S3."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaign_service.netlife.errors import OutputError, PortalContractError

_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*[^/])")
_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class FileOutput:
    """Written beside its place and moved there, so that nobody ever reads half of it."""

    path: Path

    def check(self) -> None:
        """Raises OutputError when nothing can be written there, before a portal is asked for anything."""
        folder = self.path.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK) or self.path.is_dir():
            raise OutputError(f"{self.path} cannot be written")

    def write(self, content: bytes) -> None:
        """Raises OutputError."""
        try:
            self._replace(content)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}") from error

    def _replace(self, content: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # People's addresses: for the eyes of who ran this.
            Path(name).chmod(_OWNER_ONLY)
            Path(name).replace(self.path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise


@dataclass(frozen=True, slots=True)
class S3Output:
    """An object, put whole. Credentials, region and endpoint are the AWS SDK's own affair."""

    bucket: str
    key: str

    def check(self) -> None:
        """Raises PortalContractError when the AWS SDK is not installed."""
        self._client()

    def write(self, content: bytes) -> None:
        """Raises OutputError."""
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            self._client().put_object(
                Bucket=self.bucket, Key=self.key, Body=content, ContentType="text/csv; charset=utf-8"
            )
        except (BotoCoreError, ClientError) as error:
            raise OutputError(f"s3://{self.bucket}/{self.key} cannot be written: {error}") from error

    def _client(self) -> Any:
        # Only this output needs the SDK: it is the extra `aws`.
        try:
            import boto3  # type: ignore[import-untyped]
        except ImportError:
            raise PortalContractError("s3:// needs boto3: install tidings-campaign-service[aws]") from None
        return boto3.client("s3")


Output = FileOutput | S3Output


def parse_output(text: str) -> Output:
    """`s3://bucket/key`, else a path. Raises PortalContractError for what is neither."""
    if match := _S3.fullmatch(text):
        return S3Output(match[1], match[2])
    if not text or "://" in text:
        raise PortalContractError("--out is a path or s3://bucket/key")
    return FileOutput(Path(text))


async def write(output: Output, content: bytes) -> None:
    """Write in a thread, since disks and the SDK block. Raises OutputError."""
    await asyncio.to_thread(output.write, content)
