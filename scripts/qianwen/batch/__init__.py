"""Many requests from a file: `batch` is the page to read first. Its wing may be imported by cli."""
