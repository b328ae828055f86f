<<<<<<< HEAD
"""Programs that come with CloudOS."""
=======
"""Programs of the system, started by the loader."""
>>>>>>> shell
