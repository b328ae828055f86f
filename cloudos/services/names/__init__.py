"""Names: service discovery inside the machine."""
