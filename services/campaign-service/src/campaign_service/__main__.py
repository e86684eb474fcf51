"""`python -m campaign_service [--role all|api|worker]`, or its command `stats-rebuild`."""

from __future__ import annotations

import sys

from campaign_service.app import NAME, create_app
from campaign_service.settings import Settings
from campaign_service.stats.rollups import command
from shared.web import run_service

if __name__ == "__main__":
    if sys.argv[1:2] == [command.NAME]:
        sys.exit(command.main(sys.argv[2:]))
    sys.exit(run_service(NAME, Settings, create_app))
