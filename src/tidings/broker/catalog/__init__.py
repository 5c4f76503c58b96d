"""What there is: topics, partitions and their settings, and the folder they lie in."""
