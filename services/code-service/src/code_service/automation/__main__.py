"""`python -m code_service.automation <command> …`; `--help` tells the commands and their exit statuses."""

from __future__ import annotations

import sys

from code_service.automation.command.run import main
from shared.utils.logging import configure_logging

if __name__ == "__main__":
    configure_logging("warning")
    sys.exit(main(sys.argv[1:]))
