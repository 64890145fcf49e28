"""What the integration tests run: mail servers, a sink, clients, and the filter itself."""
