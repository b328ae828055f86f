"""What drivers of serial lines share."""
