"""How the service is: for people, for Kubernetes and for Prometheus."""
