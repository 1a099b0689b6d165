"""What the chapter "Backpropagation" runs, and what it claims."""
