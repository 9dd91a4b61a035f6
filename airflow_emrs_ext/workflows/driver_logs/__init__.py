"""The logs of a job run's driver: where they are, what of them matters, how they are followed; effects without I/O."""
