"""The real-time clock of PCs."""
