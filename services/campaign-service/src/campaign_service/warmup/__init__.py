"""Warm-up: daily caps that grow by themselves, and rules that stop them."""
