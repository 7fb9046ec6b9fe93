"""`python -m fiducial` is the command `fiducial`."""

from .cli import main

if __name__ == "__main__":
    main()
