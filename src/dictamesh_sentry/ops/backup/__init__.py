"""One archive of everything an installation stores, and the way back. See docs/backup.md."""
