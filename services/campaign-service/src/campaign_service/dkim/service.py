"""Rules of sending domains: two keys each, verified by DNS, and who signs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from campaign_service.settings import settings_of
from shared.database import Tx
from shared.errors import ConflictError, NotFoundError
from shared.utils.crypto import SecretBox, derive_key
from shared.web import Runtime

from . import keys, repository
from .lookup import TextRecords
from .schemas import DomainIn, DomainOut, DomainUpdate, KeyOut, RecordOut, VerifiedOut
from .signing import Algorithm, PrivateKey, Signer, SigningKey

_STRING = 255
Row = dict[str, Any]


class DomainExistsError(ConflictError):
    code = "DOMAIN_EXISTS"


class SelectorTakenError(ConflictError):
    """The domain has or had keys of this selector; a published key is never replaced in its place."""

    code = "SELECTOR_TAKEN"


def _box(rt: Runtime) -> SecretBox:
    return SecretBox(derive_key(settings_of(rt).jwt_secret.get_secret_value(), "sending domain keys"))


def _place(tenant_id: UUID, domain_id: UUID, selector: str) -> str:
    return f"sending_domain_key/{tenant_id}/{domain_id}/{selector}"


def _selector(selector: str, algorithm: Algorithm) -> str:
    return f"{selector}-ed" if algorithm == "ed25519" else selector


async def create(tx: Tx, rt: Runtime, body: DomainIn) -> DomainOut:
    """Raises DomainExistsError."""
    domain_id = await repository.insert(tx, tx.tenant, body.domain, body.sign)
    if domain_id is None:
        raise DomainExistsError(f"There is a domain {body.domain} already", field="domain")
    await _add_keys(tx, rt, domain_id, body.selector)
    return await get(tx, domain_id)


async def _add_keys(tx: Tx, rt: Runtime, domain_id: UUID, selector: str) -> None:
    for algorithm in keys.ALGORITHMS:
        name = _selector(selector, algorithm)
        key = await asyncio.to_thread(keys.new_key, algorithm)
        sealed = _box(rt).seal(keys.to_bytes(key), _place(tx.tenant, domain_id, name))
        row = {
            "selector": name,
            "algorithm": algorithm,
            "private_key": sealed,
            "public_key": keys.public_part(key),
        }
        if not await repository.insert_key(tx, tx.tenant, domain_id, row):
            raise SelectorTakenError(f"There is a key {name} already", field="selector")


async def get(tx: Tx, domain_id: UUID) -> DomainOut:
    domain = await repository.get(tx, tx.tenant, domain_id)
    if domain is None:
        raise NotFoundError("There is no such domain")
    return (await with_keys(tx, [domain]))[0]


async def with_keys(tx: Tx, domains: list[Row]) -> list[DomainOut]:
    found = await repository.keys(tx, tx.tenant, [domain["id"] for domain in domains])
    return [_out(domain, [key for key in found if key["domain_id"] == domain["id"]]) for domain in domains]


def _out(domain: Row, found: list[Row]) -> DomainOut:
    shown = [_key_out(domain["domain"], key) for key in found]
    return DomainOut(**domain, keys=shown, signs=bool(_chosen(domain["sign"], found)))


def _key_out(domain: str, key: Row) -> KeyOut:
    value = keys.record_value(key["algorithm"], key["public_key"])
    record = RecordOut(
        name=keys.record_name(key["selector"], domain),
        value=value,
        strings=[value[at : at + _STRING] for at in range(0, len(value), _STRING)],
    )
    names = ("selector", "algorithm", "verified_at", "checked_at", "fault", "created_at")
    return KeyOut(record=record, **{name: key[name] for name in names})


def _chosen(sign: str, found: Iterable[Row]) -> list[Row]:
    """Of each algorithm the newest key that may sign; RSA first, which every receiver knows."""
    able = [key for key in found if sign == "always" or (sign == "verified" and key["verified_at"])]
    newest = {key["algorithm"]: key for key in reversed(able)}
    return [newest[algorithm] for algorithm in keys.ALGORITHMS if algorithm in newest]


async def update(tx: Tx, rt: Runtime, domain_id: UUID, body: DomainUpdate) -> DomainOut:
    """Raises SelectorTakenError."""
    domain = await get(tx, domain_id)
    if body.selector is not None:
        await _add_keys(tx, rt, domain_id, body.selector)
    await repository.set_sign(tx, tx.tenant, domain_id, body.sign or domain.sign)
    return await get(tx, domain_id)


async def delete(tx: Tx, domain_id: UUID) -> None:
    if not await repository.delete(tx, tx.tenant, domain_id):
        raise NotFoundError("There is no such domain")


async def verify(tx: Tx, rt: Runtime, domain_id: UUID) -> VerifiedOut:
    """Ask the DNS for the records of all keys. What it does not answer leaves a key as it is."""
    domain = await get(tx, domain_id)
    found = await repository.keys(tx, tx.tenant, [domain_id])
    dns = TextRecords(settings_of(rt).sending_dns)
    names = [keys.record_name(key["selector"], domain.domain) for key in found]
    answers = await asyncio.gather(*(dns.of(name) for name in names))
    for key, records in zip(found, answers, strict=True):
        if records is not None:
            fault = keys.fault_of(records, key["algorithm"], key["public_key"])
            await repository.checked(tx, tx.tenant, domain_id, key["selector"], fault, rt.clock.now())
    state = await get(tx, domain_id)
    is_unknown = any(records is None for records in answers)
    return VerifiedOut(**state.model_dump(), dns="unknown" if is_unknown else "answered")


def domains_above(domain: str) -> list[str]:
    """The domain and those it is below, which may sign for it (relaxed alignment)."""
    labels = domain.lower().split(".")
    return [".".join(labels[at:]) for at in range(len(labels) - 1)]


async def signer_for(tx: Tx, rt: Runtime, from_domain: str) -> Callable[[bytes], bytes] | None:
    """Puts a signature of each key of the sender's domain in front of a mail; None: it has no key to use."""
    domain = await repository.of_names(tx, tx.tenant, domains_above(from_domain))
    if domain is None:
        return None
    found = await repository.keys(tx, tx.tenant, [domain["id"]])
    chosen = [
        SigningKey(key["algorithm"], key["selector"], _private(rt, tx.tenant, key))
        for key in _chosen(domain["sign"], found)
    ]
    return Signer(domain["domain"], chosen) if chosen else None


def _private(rt: Runtime, tenant_id: UUID, key: Row) -> PrivateKey:
    place = _place(tenant_id, key["domain_id"], key["selector"])
    return keys.from_bytes(_box(rt).open(key["private_key"], place))


def ascii_domain(domain: str) -> str:
    """As the renderer writes it into the header."""
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain
