"""A shop of four services that know nothing of each other: what they share is in `events`."""
