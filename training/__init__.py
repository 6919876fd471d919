"""What makes the tables and weights that are shipped, from openly licensed text that is not."""
