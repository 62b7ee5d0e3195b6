"""The plan's tree: Compose, Kubernetes, image and Makefile, checked without a container engine."""
