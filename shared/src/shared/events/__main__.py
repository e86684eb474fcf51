"""`python -m shared.events asyncapi` prints the AsyncAPI document of all events as JSON."""

from __future__ import annotations

import json
import sys

from shared.events.asyncapi import asyncapi_document


def main(arguments: list[str]) -> int:
    if arguments != ["asyncapi"]:
        print(__doc__, file=sys.stderr)
        return 2
    print(json.dumps(asyncapi_document(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
