"""Name the layers, and measure gradients, weights and steps."""
