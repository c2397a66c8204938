"""What comes from older systems: read from their databases, written as ours. Only commands use it."""
