"""What is shown over HTTP: metrics, health."""
