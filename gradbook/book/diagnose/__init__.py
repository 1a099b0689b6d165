"""What the chapter "Diagnose your own" runs, and what it claims."""
