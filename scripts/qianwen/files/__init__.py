"""What a local file is, where results go, and locks. May be imported by every wing but plain, http and service."""
