"""Two services with a database each: a web front that takes orders (FastAPI), and one that charges for them."""
