"""Contracts: what events look like, how that may change, and who would break."""
