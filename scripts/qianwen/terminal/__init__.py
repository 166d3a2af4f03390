"""What a person sees on stderr while a run works. May be imported by cli, actions, account and desirecore."""
