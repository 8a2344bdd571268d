"""What waits for jobs that somebody else submits."""
