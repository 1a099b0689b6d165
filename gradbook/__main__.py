"""`python -m gradbook`, for where the command is not on the path."""

from gradbook.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
