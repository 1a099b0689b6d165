"""What the chapter "Time and gates" runs, and what it claims."""
