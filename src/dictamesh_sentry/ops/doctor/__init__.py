"""What is wrong with this installation, and what to do about it. See docs/troubleshooting.md."""
