"""S3 as a file system: how Spark reads and writes it."""
