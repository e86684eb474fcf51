"""House rules that no ready-made linter knows."""
