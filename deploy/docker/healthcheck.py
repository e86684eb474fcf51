"""Exit status 0 when the service of this container is ready."""

from __future__ import annotations

import os
import sys
import urllib.request


def main() -> int:
    port = os.environ.get("PORT")
    if not port:
        from shared.config import SERVICE_PORTS

        port = str(SERVICE_PORTS[os.environ["SERVICE"]])
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=4) as answer:
            return 0 if answer.status == 200 else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
