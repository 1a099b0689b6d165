"""What the chapter "Activations" runs, and what it claims."""
