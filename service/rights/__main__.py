"""`python -m rights` is `rights`."""

from rights.cli import app

if __name__ == "__main__":
    app(prog_name="rights")
