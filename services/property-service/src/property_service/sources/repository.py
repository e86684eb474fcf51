"""SQL of what is known of sources' files."""

from __future__ import annotations

from datetime import datetime

from property_service.sources.port import SourceFile
from shared.database import Tx


async def known_files(tx: Tx) -> dict[str, str]:
    """Location to version of all files that were read."""
    rows = await tx.fetch("SELECT location, version FROM source_file")
    return {row["location"]: row["version"] for row in rows}


async def note_file(tx: Tx, file: SourceFile, at: datetime) -> None:
    """Remember a file as read in its present version."""
    await tx.execute(
        """INSERT INTO source_file (location, version, checked_at, imported_at) VALUES ($1, $2, $3, $3)
           ON CONFLICT (location) DO UPDATE SET version = excluded.version, checked_at = excluded.checked_at,
               imported_at = excluded.imported_at""",
        file.location,
        file.version,
        at,
    )
