"""Kubernetes manifests: valid, consistent, restricted, and complete for the roles they start."""
