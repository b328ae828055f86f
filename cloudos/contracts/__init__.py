"""Service interfaces: one file each. A declaration is also the client: `Files(handle).status(path)`."""
