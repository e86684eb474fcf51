"""`python -m property_service [--role all|api|worker]`, or one of its commands: `daily`, `test-email`."""

from __future__ import annotations

import sys

from property_service import commands
from property_service.app import NAME, create_app
from property_service.settings import Settings
from shared.web import run_service

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments and not arguments[0].startswith("-"):
        sys.exit(commands.main(arguments))
    sys.exit(run_service(NAME, Settings, create_app))
