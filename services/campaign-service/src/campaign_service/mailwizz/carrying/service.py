"""Brings a campaign to MailWizz and keeps both in step.

Each step is on record before the next, and what may have been done without our hearing of it is looked for
by our campaign's id, which is in every name. A campaign is made paused there, and only the one on record is
let go: should two ever be made, one sends, and the other is deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns import service
from campaign_service.campaigns.content import campaign_info, current
from campaign_service.campaigns.recipients import repository as recipients
from campaign_service.channels.model import Provider
from campaign_service.mailwizz.client import MailWizzClient, MailWizzRefusedError
from campaign_service.mailwizz.polling import Source, poll_campaign
from campaign_service.mailwizz.removals import repository as subscribers
from campaign_service.mailwizz.removals.service import remove_all
from shared.database import Tx
from shared.web import Runtime

from . import repository
from .repository import Carried
from .starting import content_of
from .tags import Mapped, fields_of

Campaign = dict[str, Any]
#: Form fields of one request: PHP drops those beyond its max_input_vars, by default 1,000, and says nothing.
FORM_FIELDS = 900
_FIELDS_OF_ALL = 5
_UNDER_WAY = frozenset({"pending-sending", "sending", "processing"})
_PAUSED = frozenset({"paused"})
# MailWizz reads times in its customer's zone, which we do not know: a day ago is past in all of them.
_PAST = timedelta(days=1)
_LOST = timedelta(days=1)


class Carrier:
    """One tenant's MailWizz. `tx` opens a transaction of the tenant, and none for a worker that was believed
    dead: another may have made the campaign meanwhile.
    """

    def __init__(
        self,
        runtime: Runtime,
        client: MailWizzClient,
        provider: Provider,
        tx: Callable[[], AbstractAsyncContextManager[Tx]],
    ) -> None:
        self._runtime = runtime
        self._client = client
        self._provider = provider
        self._tenant_id = provider.tenant_id
        self._tx = tx

    async def advance(self, carried: Carried) -> None:
        """As far as it goes now. Raises MailWizzUnavailableError, MailWizzRefusedError."""
        async with self._tx() as tx:
            campaign = await campaigns.get(tx, self._tenant_id, carried.campaign_id)
        assert campaign is not None, "one that was started is never deleted"
        if campaign["status"] == "cancelled":
            await self._end(carried)
            return
        uid = carried.campaign_uid
        if uid is None and campaign["status"] == "sending":
            uid = await self._bring(campaign, carried)
        if uid is not None:
            await self._keep_in_step(campaign, uid)

    async def _end(self, carried: Carried) -> None:
        """Stop what runs there and clear away what is left, until a look finds neither."""
        is_quiet = True
        if carried.campaign_uid is not None:
            is_quiet = await self._stop(carried.campaign_uid)
            source = Source(self._tenant_id, carried.campaign_id, carried.campaign_uid)
            await poll_campaign(self._runtime, self._client, source)
        is_clear = await self._clear_away(carried)
        if is_quiet and is_clear and not self._may_be_made(carried):
            async with self._tx() as tx:
                await repository.set_over(tx, self._tenant_id, carried.campaign_id)

    async def _stop(self, uid: str) -> bool:
        """Whether it does not run there any more."""
        try:
            there = await self._client.campaign_status(uid)
        except MailWizzRefusedError as error:
            if error.is_unknown:
                return True
            raise
        if there in _UNDER_WAY:
            await self._client.pause_or_resume(uid)
        return there not in _UNDER_WAY

    async def _clear_away(self, carried: Carried) -> bool:
        """Delete what has our campaign's id and is not on record; whether there was nothing.

        A list without a campaign goes as well: nobody was written to from it.
        """
        found = await self._client.find_campaigns(str(carried.campaign_id))
        campaigns_left = [uid for uid in found if uid != carried.campaign_uid]
        for uid in campaigns_left:
            await self._client.delete_campaign(uid)
        kept = carried.list_uid if carried.campaign_uid is not None else None
        lists = await self._client.find_lists(str(carried.campaign_id))
        lists_left = [uid for uid in lists if uid != kept]
        for uid in lists_left:
            await self._client.delete_list(uid)
        return not campaigns_left and not lists_left

    def _may_be_made(self, carried: Carried) -> bool:
        """Whether a request to make the campaign, of which nobody heard, may still be under way."""
        if carried.campaign_uid is not None or carried.creating_at is None:
            return False
        return self._runtime.clock.now() - carried.creating_at < _LOST

    async def _bring(self, campaign: Campaign, carried: Carried) -> str | None:
        async with self._tx() as tx:
            contents, default, _ = await current(tx, campaign)
        content = content_of(campaign, contents, default)
        uid = carried.list_uid or await self._list(campaign)
        if not carried.is_uploaded and not await self._upload(campaign, uid, content, carried):
            await self._close(campaign)
            return None
        if kept := await remove_all(self._runtime, self._client, self._tx, campaign["id"]):
            raise MailWizzRefusedError(f"{kept} who must not be written to could not be taken off its list")
        created = await self._create(campaign, uid, content, default)
        if created is not None:
            await self._clear_away(replace(carried, list_uid=uid, campaign_uid=created))
        return created

    async def _list(self, campaign: Campaign) -> str:
        name = _name(campaign)
        uid = next(iter(await self._client.find_lists(str(campaign["id"]))), None)
        if uid is None and (pattern := self._provider.settings.get("list_uid")):
            uid = await self._client.copy_list(pattern, name)
        elif uid is None:
            sender = campaign_info(self._runtime, campaign, "")
            defaults = {
                "from_name": sender.from_name or sender.from_email,
                "from_email": sender.from_email,
                "reply_to": sender.reply_to or sender.from_email,
            }
            general = {"name": name, "description": campaign["name"]}
            uid = await self._client.create_list({"general": general, "defaults": defaults})
        async with self._tx() as tx:
            await repository.set_list(tx, self._tenant_id, campaign["id"], uid)
        return uid

    async def _upload(self, campaign: Campaign, list_uid: str, content: Mapped, carried: Carried) -> bool:
        """Put the waiting recipients on the list; False when there was nobody."""
        last, now = carried.uploaded_to, self._runtime.clock.now()
        batch = max(1, FORM_FIELDS // (_FIELDS_OF_ALL + len(content.fields)))
        async with self._tx() as tx:
            await recipients.skip_suppressed(tx, self._tenant_id, campaign["id"], now)
        while True:
            async with self._tx() as tx:
                rows = await repository.waiting(tx, self._tenant_id, campaign["id"], last, batch)
                if not rows:
                    await repository.set_uploaded(tx, self._tenant_id, campaign["id"], None)
                    return last is not None
                people = [(row["contact_id"], row["email"]) for row in rows]
                await subscribers.add(tx, self._tenant_id, campaign["id"], people)
            await self._client.add_subscribers(list_uid, [fields_of(row, content.fields) for row in rows])
            last = rows[-1]["contact_id"]
            async with self._tx() as tx:
                await repository.set_uploaded(tx, self._tenant_id, campaign["id"], last)

    async def _create(self, campaign: Campaign, list_uid: str, content: Mapped, default: str) -> str | None:
        uid = next(iter(await self._client.find_campaigns(str(campaign["id"]))), None)
        if uid is None:
            async with self._tx() as tx:
                fresh = await campaigns.get(tx, self._tenant_id, campaign["id"])
                if fresh is None or fresh["status"] != "sending":
                    return None
                await repository.set_creating(tx, self._tenant_id, campaign["id"], self._runtime.clock.now())
            uid = await self._client.create_campaign(self._form(campaign, list_uid, content, default))
        async with self._tx() as tx:
            return await repository.set_created(tx, self._tenant_id, campaign["id"], uid)

    def _form(self, campaign: Campaign, list_uid: str, content: Mapped, default: str) -> dict[str, Any]:
        sender = campaign_info(self._runtime, campaign, default)
        return {
            "name": _name(campaign),
            "type": "regular",
            "from_name": sender.from_name or sender.from_email,
            "from_email": sender.from_email,
            "reply_to": sender.reply_to or sender.from_email,
            "subject": content.subject,
            "send_at": (self._runtime.clock.now() - _PAST).strftime("%Y-%m-%d %H:%M:%S"),
            "list_uid": list_uid,
            "status": "paused",
            "options": {"url_tracking": "yes", "plain_text_email": "yes"},
            "template": {
                "content": content.encoded_html,
                "inline_css": "no",
                "auto_plain_text": "yes",
            },
        }

    async def _keep_in_step(self, campaign: Campaign, uid: str) -> None:
        """There it is paused and resumed as it is here; here it ends when it has ended there."""
        await remove_all(self._runtime, self._client, self._tx, campaign["id"])
        there = await self._client.campaign_status(uid)
        async with self._tx() as tx:
            fresh = await campaigns.get(tx, self._tenant_id, campaign["id"])
        ours = campaign["status"] if fresh is None else fresh["status"]
        unlike = _PAUSED if ours == "sending" else _UNDER_WAY
        if there in unlike:
            await self._client.pause_or_resume(uid)
        await poll_campaign(self._runtime, self._client, Source(self._tenant_id, campaign["id"], uid))
        if ours == "sending" and there == "sent":
            await self._close(campaign)
        elif ours == "sending" and there == "blocked":
            async with self._tx() as tx:
                await hold(tx, self._runtime, campaign["id"], "MailWizz has blocked this campaign")

    async def _close(self, campaign: Campaign) -> None:
        now = self._runtime.clock.now()
        async with self._tx() as tx:
            await repository.fail_waiting(
                tx, self._tenant_id, campaign["id"], "MailWizz is through and did not send this mail", now
            )
            if await service.finish(tx, self._runtime, self._tenant_id, campaign["id"]):
                await repository.set_over(tx, self._tenant_id, campaign["id"])


def _name(campaign: Campaign) -> str:
    return f"{campaign['name'][:100]} ({campaign['id']})"


async def hold(tx: Tx, runtime: Runtime, campaign_id: UUID, reason: str) -> None:
    """Pause a campaign that cannot go on, with the reason."""
    campaign = await campaigns.get(tx, tx.tenant, campaign_id, lock=True)
    if campaign is not None and campaign["status"] == "sending":
        now = runtime.clock.now()
        await campaigns.set_status(tx, tx.tenant, campaign_id, "paused", now, reason[:300])
