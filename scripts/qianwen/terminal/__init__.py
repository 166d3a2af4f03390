"""What a person sees on stderr, and Ctrl-C. May be imported by account, desirecore, actions, batch, cli."""
