"""`python -m property_service [--role all|api|worker]`."""

from __future__ import annotations

import sys

from property_service.app import NAME, create_app
from property_service.settings import Settings
from shared.web import run_service

if __name__ == "__main__":
    sys.exit(run_service(NAME, Settings, create_app))
