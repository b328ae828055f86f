"""Policy: tells what the policy in force allows."""
