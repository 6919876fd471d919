"""The lake (Delta), the warehouse (PostgreSQL), the cache (Redis), and the servers embedded for them."""
