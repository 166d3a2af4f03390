"""The page on which a person looks at what was made; sends nothing. May be imported by cli."""
