"""Audit: security events, chained by hash."""
