"""What is known of a gradient before any network is run."""
