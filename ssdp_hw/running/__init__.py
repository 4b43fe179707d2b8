"""Runs: what goes into a network, the interface of targets, and what comes back."""
