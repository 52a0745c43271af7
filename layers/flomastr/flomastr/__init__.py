"""What the functions share: the database layer, HTTP, identity, and one module per domain noun."""
