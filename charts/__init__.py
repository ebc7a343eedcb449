"""What is made of the chart: the table of its values, and the plain manifests in k8s/."""
