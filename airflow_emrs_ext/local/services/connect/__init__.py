"""Spark Connect as the services offer it: sessions of EMR Serverless, managed endpoints of EMR on EKS."""
