"""`python -m vault.cli`: the same commands, for starting them from each other."""

from vault.cli.main import main

main()
