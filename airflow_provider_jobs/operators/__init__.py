"""What submits."""
