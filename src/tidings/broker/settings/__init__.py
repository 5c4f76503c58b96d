"""Settings: tables of what there is, with Apache Kafka's names, types, defaults and limits, and which value holds."""
