"""Share groups on the side of the partitions (KIP-932): who fetches what together, and what they were given."""
