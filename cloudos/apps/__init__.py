"""Programs that come with CloudOS."""
