"""The server: a single-node broker that speaks Kafka's protocol."""
