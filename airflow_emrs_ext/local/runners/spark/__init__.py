"""The real runner: each attempt is a Spark driver process of its own, on Spark and Java from wheels."""
