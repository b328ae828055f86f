"""The POSIX utilities in one program. `__main__` is the entry."""
