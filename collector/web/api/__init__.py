"""/api/v1: everything that the pages show and the command line does."""
