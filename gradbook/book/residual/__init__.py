"""What the chapter "Residual paths" runs, and what it claims."""
