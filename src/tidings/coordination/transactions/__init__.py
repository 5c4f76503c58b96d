"""Who is writing a transaction, in which partitions, and how it ends: one pure state machine."""
