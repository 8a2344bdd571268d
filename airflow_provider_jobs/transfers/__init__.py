"""Tasks that take records from one service to another, and what they are made of."""
