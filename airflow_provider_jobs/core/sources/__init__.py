"""Where uploaded bytes come from."""
