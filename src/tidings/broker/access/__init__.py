"""Access rules at work: what stands between a request and its handler."""
