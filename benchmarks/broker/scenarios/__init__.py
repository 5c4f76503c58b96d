"""What is measured: a file for each question. Each takes a `Running` broker and adds what it finds."""
