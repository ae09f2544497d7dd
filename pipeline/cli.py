"""The command `placerwatch`."""


def main() -> None:
    """Entry point."""
