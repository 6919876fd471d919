"""What is served over HTTP: metrics, the health page, the API that manages jobs."""
