"""The job that validates addresses, a thousand in a transaction; DNS is asked between transactions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from campaign_service.settings import settings_of
from campaign_service.validation import repository
from campaign_service.validation.dns import MailDomains
from campaign_service.validation.rules import Finding, Verdict, assess, domain_of
from campaign_service.validation.schemas import ValidateIn
from campaign_service.validation.use_cases import JOB_TYPE
from shared.jobs import JobContext, Schedule, job

_BATCH = 1000
_GOOD_DAYS, _BAD_DAYS = 7, 1


@job(JOB_TYPE, max_attempts=3, backoff=5.0, timeout=6 * 3600.0)
async def validate_contacts(ctx: JobContext) -> dict[str, Any]:
    """Validate what the request asks for; the counts, the reasons and what the DNS had to say."""
    payload = dict(ctx.payload)
    before = datetime.fromisoformat(payload.pop("before"))
    return await Validation(ctx, ValidateIn.model_validate(payload), before).run()


class Validation:
    """Validates contacts that were not validated since `before`."""

    def __init__(self, ctx: JobContext, wanted: ValidateIn, before: datetime) -> None:
        self._ctx = ctx
        self._before = before
        self._wanted = wanted
        self._dns = MailDomains(
            settings_of(ctx.runtime).validation_dns if self._wanted.check_mx else "off",
        )
        self._statuses: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._from_cache = 0

    async def run(self) -> dict[str, Any]:
        scope = (self._before, self._wanted.contact_ids, self._wanted.tag)
        async with self._ctx.tx() as tx:
            total = await repository.count_due(tx, tx.tenant, *scope)
        after: UUID | None = None
        while True:
            self._ctx.check_cancelled()
            async with self._ctx.tx() as tx:
                batch = await repository.due(tx, tx.tenant, *scope, after=after, limit=_BATCH)
            if not batch:
                return self.report()
            await self._validate(batch)
            after = batch[-1][0]
            await self._ctx.progress(self._statuses.total(), total)

    async def some(self, ids: Sequence[UUID]) -> int:
        """Validate those of some contacts that have an address; how many."""
        async with self._ctx.tx() as tx:
            scope = (self._before, ids, None)
            batch = await repository.due(tx, tx.tenant, *scope, after=None, limit=len(ids))
        await self._validate(batch)
        return len(batch)

    async def _validate(self, batch: list[tuple[UUID, str]]) -> None:
        verdicts = await self._verdicts({domain for _, email in batch if (domain := domain_of(email))})
        found = [(contact_id, email, self._assess(email, verdicts)) for contact_id, email in batch]
        async with self._ctx.tx() as tx:
            await repository.save(tx, tx.tenant, found, self._ctx.runtime.clock.now())
        for _, _, finding in found:
            self._statuses[finding.status] += 1
            self._reasons.update(reason.partition(":")[0] for reason in finding.reasons)

    def _assess(self, email: str, verdicts: dict[str, Verdict]) -> Finding:
        verdict = verdicts.get(domain_of(email) or "")
        return assess(email, verdict, dns_wanted=self._wanted.check_mx)

    async def _verdicts(self, domains: set[str]) -> dict[str, Verdict]:
        if not self._wanted.check_mx:
            return {}
        now = self._ctx.runtime.clock.now()
        async with self._ctx.tx() as tx:
            known = await repository.known_domains(tx, tx.tenant, domains, now)
        self._from_cache += len(known)
        new = await self._dns.verdicts(domains - known.keys())
        if new:
            rows = [(domain, verdict, now + _keep(verdict)) for domain, verdict in sorted(new.items())]
            async with self._ctx.tx() as tx:
                await repository.keep_domains(tx, tx.tenant, rows, now)
        return known | new

    def report(self) -> dict[str, Any]:
        """The counts, the reasons and what the DNS had to say, of this run."""
        return {
            "checked": self._statuses.total(),
            **{status: self._statuses[status] for status in ("valid", "risky", "invalid", "unknown")},
            "reasons": dict(sorted(self._reasons.items())),
            "dns": self._said(),
            "domains_asked": self._dns.asked,
            "domains_from_cache": self._from_cache,
        }

    def _said(self) -> str:
        if not self._wanted.check_mx:
            return "not asked"
        missing = self._reasons["dns_unavailable"]
        if not missing:
            return "answered"
        return "unavailable" if missing == self._statuses.total() else "answered in part"


def _keep(verdict: Verdict) -> timedelta:
    return timedelta(days=_GOOD_DAYS if verdict == "accepts" else _BAD_DAYS)


@job("contacts.validate.sweep", max_attempts=1)
async def sweep_domains(ctx: JobContext) -> dict[str, Any]:
    """Forget domains whose verdict expired."""
    async with ctx.tx() as tx:
        return {"removed": await repository.forget_domains(tx, ctx.runtime.clock.now())}


JOBS = [validate_contacts, sweep_domains]
SCHEDULES = [Schedule("contacts.validate.sweep", "03:50", "contacts.validate.sweep")]
