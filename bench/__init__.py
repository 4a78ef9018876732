"""Every promise about speed as a script that prints its figure. Each has --help and --quick."""
