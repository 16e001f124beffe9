"""``python -m mulligan_host`` is the command ``mulligan``."""

from mulligan_host.cli.main import main

if __name__ == "__main__":
    main()
