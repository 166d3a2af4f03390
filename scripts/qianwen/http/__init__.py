"""HTTP without DashScope. May be imported by environment, service, storage, cassettes, desirecore, actions, batch."""
