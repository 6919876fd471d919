"""Topics that nobody named beforehand: found every day in the week that ends on it, with ids that stay."""
