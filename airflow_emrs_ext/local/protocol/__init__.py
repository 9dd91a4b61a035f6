"""The protocols of the AWS APIs, from the side of the server."""
