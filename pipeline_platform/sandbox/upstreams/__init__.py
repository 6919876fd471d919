"""One module per upstream: what it shows of the world, and of recordings, in its own wire format."""
