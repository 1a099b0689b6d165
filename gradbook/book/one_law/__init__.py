"""What the chapter "One law" runs, and what it claims."""
