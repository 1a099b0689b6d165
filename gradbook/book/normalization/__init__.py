"""What the chapter "Normalization" runs, and what it claims."""
