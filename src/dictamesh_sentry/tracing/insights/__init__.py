"""What spans say about databases, requests, caches, queues, pages and mobile apps: see docs/insights.md."""
