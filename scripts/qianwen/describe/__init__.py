"""A row of the catalog in words and as JSON. May be imported by cli, and by the generator of the references."""
