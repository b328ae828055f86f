"""Programs of the system, started by the loader."""
