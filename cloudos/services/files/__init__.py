"""The file service: one name space of files over several file systems, and the streams of open files."""
