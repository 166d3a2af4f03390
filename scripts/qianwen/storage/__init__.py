"""Files elsewhere: uploads, results, the own bucket; never the API key. May be imported by actions and desirecore."""
