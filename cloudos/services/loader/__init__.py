"""Programs: from a file to a running process, and to its end."""
