"""`python -m unblur.app` is the `unblur` command."""

from unblur.app.cli import main

if __name__ == "__main__":
    main()
