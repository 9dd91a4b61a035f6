"""The hooks of each service, and Spark Connect."""
