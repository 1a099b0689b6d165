"""What the chapter "Clipping and steps" runs, and what it claims."""
