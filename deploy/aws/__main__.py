"""`python -m deploy.aws --out DIR NAME=VALUE …`: check the definitions and write them, filled in."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from deploy.aws.asl import FILES, placeholders, problems, render


def main(arguments: list[str]) -> int:
    """0, or 1 with the reasons on standard error."""
    parser = argparse.ArgumentParser(prog="python -m deploy.aws")
    parser.add_argument("--out", type=Path, required=True, help="folder for the filled-in files")
    parser.add_argument("values", nargs="*", metavar="NAME=VALUE")
    options = parser.parse_args(arguments)
    values = dict(pair.partition("=")[::2] for pair in options.values)
    missing = sorted(set().union(*map(placeholders, FILES)) - set(values))
    if missing:
        print(f"to be given: {' '.join(f'{name}=…' for name in missing)}", file=sys.stderr)
        return 1
    documents = {name: render(name, values) for name in FILES}
    if wrong := problems(documents["collector.asl.json"]):
        print("\n".join(wrong), file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (options.out / name).write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
