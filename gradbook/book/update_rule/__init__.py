"""What the chapter "The update rule" runs, and what it claims."""
