"""What executes drivers and delivers their logs: real Spark, or scripts."""
