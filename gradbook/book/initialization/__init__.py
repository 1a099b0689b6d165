"""What the chapter "Initialization" runs, and what it claims."""
