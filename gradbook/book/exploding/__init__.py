"""What the chapter "Exploding gradients" runs, and what it claims."""
