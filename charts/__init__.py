"""Generators around the chart: the table of its values, the plain manifests in k8s/, and live settings."""
