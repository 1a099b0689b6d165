"""What the chapter "Vanishing gradients" runs, and what it claims."""
