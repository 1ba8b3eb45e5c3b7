"""One module a command: its docstring is the description, EXAMPLES the end of its --help."""
