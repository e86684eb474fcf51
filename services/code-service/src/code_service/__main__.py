"""`python -m code_service [--role all|api|worker]`."""

from __future__ import annotations

import sys

from code_service.app import NAME, create_app
from code_service.settings import Settings
from shared.web import run_service

if __name__ == "__main__":
    sys.exit(run_service(NAME, Settings, create_app))
