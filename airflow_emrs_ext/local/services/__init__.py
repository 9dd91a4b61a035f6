"""The services, without HTTP: EMR Serverless and EMR on EKS, what belongs to them, and moto for every other one."""
