"""What the chapter on Transformers runs: attention, its collapse, and where the norm stands."""
