"""One module for each family of formats; each function takes a `Source` and returns what it declares."""
