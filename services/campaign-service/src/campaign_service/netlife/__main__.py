"""`python -m campaign_service.netlife collect --portal NAME --out contacts.csv|s3://bucket/key`."""

from __future__ import annotations

import os
import sys

from campaign_service.netlife.command import main
from shared.utils.logging import configure_logging

if __name__ == "__main__":
    configure_logging(os.environ.get("LOG_LEVEL", "info"), "netlife-collector")
    sys.exit(main(sys.argv[1:], os.environ))
