"""What the page "Common claims, tested" runs: what others say, and what a run says."""
