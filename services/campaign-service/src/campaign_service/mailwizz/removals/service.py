"""Who may not be written to any more leaves MailWizz's lists, before a campaign begins and while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from campaign_service.mailwizz.client import MailWizzClient, MailWizzRefusedError
from shared.database import Tx
from shared.web import Runtime

from . import repository
from .repository import Leaving

OpenTx = Callable[[], AbstractAsyncContextManager[Tx]]


async def remove_all(runtime: Runtime, client: MailWizzClient, tx_of: OpenTx, campaign_id: UUID) -> int:
    """Bring one campaign's list up to date; how many MailWizz did not let go.

    Raises MailWizzUnavailableError: the others are on record, and are removed the next time.
    """
    async with tx_of() as tx:
        await repository.mark(tx, tx.tenant, campaign_id, runtime.clock.now())
        people = await repository.leaving(tx, tx.tenant, campaign_id)
    return await remove(runtime, client, tx_of, people)


async def remove(runtime: Runtime, client: MailWizzClient, tx_of: OpenTx, people: Sequence[Leaving]) -> int:
    """Take people off their lists, each on record when it is done; how many MailWizz did not let go."""
    kept, campaigns = 0, set()
    for number, one in enumerate(people, start=1):
        campaigns.add(one.campaign_id)
        try:
            await _take_off(client, one)
        except MailWizzRefusedError as error:
            kept += 1
            async with tx_of() as tx:
                await repository.set_error(tx, tx.tenant, one, str(error))
            if error.is_locked_out:
                # The others would hear the same.
                kept += len(people) - number
                break
        else:
            async with tx_of() as tx:
                await repository.set_left(tx, tx.tenant, one, runtime.clock.now())
    for campaign_id in sorted(campaigns):
        async with tx_of() as tx:
            await repository.say(tx, tx.tenant, campaign_id)
    return kept


async def _take_off(client: MailWizzClient, one: Leaving) -> None:
    """Once more is the same as once: who is not there, or unsubscribed, is left alone."""
    found = await client.find_subscriber(one.list_uid, one.address)
    if found is None:
        return
    if one.leave == "delete":
        await client.delete_subscriber(one.list_uid, found.uid)
    elif found.status == "confirmed":
        await client.unsubscribe(one.list_uid, found.uid)
