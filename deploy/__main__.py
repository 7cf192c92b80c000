"""`python -m deploy` is the command `drumtower`, for where the console script is not on the path."""

from deploy.cli import main

if __name__ == "__main__":
    main(prog_name="drumtower")
