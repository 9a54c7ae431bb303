"""`python -m short_drama` is the `short-drama` command."""

from short_drama.cli.main import main

main()
