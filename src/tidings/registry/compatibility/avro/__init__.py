"""Avro, by its specification (1.12) and Apache Avro's rules for schema resolution."""
