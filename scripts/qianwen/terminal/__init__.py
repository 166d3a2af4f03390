"""What a person sees on stderr, and Ctrl-C. May be imported by account, command, desirecore, actions, batch, cli."""
