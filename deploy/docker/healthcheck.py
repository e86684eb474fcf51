"""Exit status 0 when the program of this container is ready."""

from __future__ import annotations

import os
import sys
import urllib.request


def main() -> int:
    try:
        with urllib.request.urlopen(address(), timeout=4) as answer:
            return 0 if answer.status == 200 else 1
    except OSError:
        return 1


def address() -> str:
    """HEALTH_URL, else the readiness page of the service, on PORT or its usual port."""
    if given := os.environ.get("HEALTH_URL"):
        return given
    port = os.environ.get("PORT") or _usual_port()
    return f"http://127.0.0.1:{port}/ready"


def _usual_port() -> str:
    from shared.config import SERVICE_PORTS

    return str(SERVICE_PORTS[os.environ["SERVICE"]])


if __name__ == "__main__":
    sys.exit(main())
