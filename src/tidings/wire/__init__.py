"""The Kafka protocol: bytes <-> messages. Pure: no I/O, no clock, no chance."""
