"""Files elsewhere: uploads, results and the own bucket, never with the API key. May be imported by actions and desirecore."""
