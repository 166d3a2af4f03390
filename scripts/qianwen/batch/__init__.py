"""Many requests from a file: `batch` is the page to read first. May be imported by cli."""
