"""How much a client may send and fetch in a second, and how long it has to wait after more than that (KIP-13, 219)."""
