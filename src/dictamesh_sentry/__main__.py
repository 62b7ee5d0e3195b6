"""``python -m dictamesh_sentry`` is the ``dictamesh-sentry`` command."""

from dictamesh_sentry.cli.main import main

if __name__ == "__main__":
    main()
