"""Layer 3: the services of the system, one directory each."""
