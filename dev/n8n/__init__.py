"""A real n8n that reports to the local platform: `make n8n`."""
