"""What a service tells those who run it: whether it is well, how much it does, and what became of each event."""
