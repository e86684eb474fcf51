"""Open data brought in as clients bring it, with jobs that run when the test says so."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from shared.database import SimpleDatabase
from shared.jobs import JobSpec
from shared.testing import FakeClock, TokenMint

DATA = Path(__file__).parents[1] / "data"
GEO = DATA / "geodvf_2025_sample.csv"
RAW = DATA / "dvf_raw_2018_sample.txt"
AIN_2018 = DATA / "dvf_ain_2018.txt.gz"
AIN_2020 = DATA / "dvf_ain_2020.txt.gz"
LA_POSTE = DATA / "laposte_hexasmal_sample.csv"
GEO_HEADER = GEO.read_text(encoding="utf-8").split("\n", 1)[0].split(",")

#: A flat, as the geo layout has it; tests say what is different.
FLAT = {
    "id_mutation": "2019-1",
    "date_mutation": "2019-03-05",
    "numero_disposition": "000001",
    "nature_mutation": "Vente",
    "valeur_fonciere": "150000",
    "adresse_numero": "12",
    "adresse_nom_voie": "RUE DES LILAS",
    "code_postal": "01000",
    "code_commune": "01053",
    "nom_commune": "Bourg-en-Bresse",
    "code_departement": "01",
    "id_parcelle": "01053000AB0012",
    "code_type_local": "2",
    "surface_reelle_bati": "62",
    "nombre_pieces_principales": "3",
    "longitude": "5.2275",
    "latitude": "46.2047",
}


def geo_file(*rows: Mapping[str, str]) -> bytes:
    """A geo-dvf file of flats that differ from `FLAT` in what the rows say."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, GEO_HEADER, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(FLAT | dict(row))
    return out.getvalue().encode()


@dataclass
class Archive:
    """Tenant A's way to the open data of the installation."""

    app: FastAPI
    http: httpx.AsyncClient
    db: SimpleDatabase
    clock: FakeClock
    mint: TokenMint
    tenant: UUID

    def headers(self, role: Any = "owner", tenant: UUID | None = None) -> dict[str, str]:
        now = int(self.clock.now().timestamp())
        return self.mint.headers(tenant or self.tenant, role, iat=now, exp=now + 600)

    async def post(
        self, what: str, *files: Path | bytes, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Upload files; nothing is read yet."""
        parts = [
            ("file", (file.name, file.read_bytes()) if isinstance(file, Path) else ("made.csv", file))
            for file in files
        ]
        headers = headers or self.headers()
        return await self.http.post(f"/api/{what}/import", files=parts, headers=headers)

    async def bring(self, *files: Path | bytes, what: str = "properties") -> dict[str, Any]:
        """Upload files and run their job; the import as it then is."""
        answer = await self.post(what, *files)
        assert answer.status_code == 202, answer.text
        await self.app.state.runtime.jobs.run_due()
        found: dict[str, Any] = await self.get(
            f"/api/properties/imports/{answer.json()['data']['import_id']}"
        )
        return found

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(path, params=params, headers=self.headers())
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def sales(self, columns: str = "*") -> list[dict[str, Any]]:
        return await self.db.query(f"SELECT {columns} FROM sale ORDER BY sale_date, id")

    async def run_as_job(self, spec: JobSpec) -> dict[str, Any]:
        """Run a job of the test's own; its row."""
        runner = self.app.state.runtime.jobs
        runner.bind(self.app.state.runtime, [spec])
        async with self.db.tenant_tx(self.tenant) as tx:
            job = await runner.enqueue(tx, spec.type, {}, tenant_id=self.tenant)
        await runner.run_due()
        rows = await self.db.query("SELECT * FROM job WHERE id = $1", [job.id], tenant_id=self.tenant)
        return rows[0]

    async def job_log(self) -> Sequence[str]:
        rows = await self.db.query("SELECT line FROM job_log ORDER BY seq", tenant_id=self.tenant)
        return [row["line"] for row in rows]
