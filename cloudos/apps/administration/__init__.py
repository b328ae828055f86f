"""Utilities that show and manage the system, in one program. `__main__` is the entry."""
