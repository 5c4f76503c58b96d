"""Consumer groups: who is in them, who reads which partitions, and how far each has come."""
