"""`python -m visapi` is the command `visapi`."""

from visapi.cli.main import main

if __name__ == "__main__":
    main()
