"""What the chapter "The chain rule" runs, and what it claims."""
