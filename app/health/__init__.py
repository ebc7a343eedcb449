"""Health and metrics of the service, for people, Kubernetes and Prometheus."""
