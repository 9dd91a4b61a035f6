"""What the package and the local endpoint both know of the services: states, quotas, models of the APIs, gRPC."""
