"""What the page "What do I try?" runs: networks that do not train, and remedies."""
