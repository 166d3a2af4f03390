"""The page on which a person looks at what was made. Sends nothing; imported by cli."""
