"""From what was measured and found to what a person reads, and tries next."""
