"""A small HTTP client without DashScope. May be imported by service, storage, desirecore, cassettes, actions."""
