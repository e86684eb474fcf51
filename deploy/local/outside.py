"""Outside systems that a stack is joined to though they are simulated, and its settings for that."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Self

from deploy.local.state import free_port

#: What the simulated photo portal is called.
PORTAL = "demo-portal"


@dataclass(frozen=True, slots=True)
class Outside:
    """Ports on this machine: of the ticket shop, the SMS provider and the photo portal, where a simulator may
    be started, and of our own server for mails that come back. 0: the stack is not joined to such a thing.
    """

    fienta: int = 0
    twilio: int = 0
    portal: int = 0
    intake: int = 0

    @classmethod
    def anywhere(cls) -> Self:
        """Free ports for all of them, each another."""
        ports: set[int] = set()
        while len(ports) < len(fields(cls)):
            ports.add(free_port())
        return cls(*ports)

    @classmethod
    def load(cls, text: str) -> Self:
        """What `dump` gave."""
        return cls(**json.loads(text))

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @property
    def is_simulated(self) -> bool:
        """Whether tenants may have servers of their own on this machine, too."""
        return bool(self.twilio)

    def settings(self) -> dict[str, str]:
        """The environment of a stack that expects everything at these ports: never the real ones."""
        return {
            "FIENTA_BASE_URL": f"http://127.0.0.1:{self.fienta}",
            "FIENTA_DELAY_SECONDS": "0.1",
            "TWILIO_URL": f"http://127.0.0.1:{self.twilio}",
            "NETLIFE_PORTALS": json.dumps({PORTAL: f"http://127.0.0.1:{self.portal}/api/v1"}),
            "INTAKE_SMTP_PORT": str(self.intake),
            "PROVIDER_PRIVATE_HOSTS": json.dumps(["127.0.0.1"]),
            "MAILWIZZ_POLL_SECONDS": "1",
        }
