"""The client that image.py and video.py share.

    argv ─ command ─▶ Ask ─ checks ─▶ Checked ─ storage (uploads), models.wire ─▶ Call
         ─ service, over http ─▶ answer ─ models.wire ─▶ Result ─ storage (downloads), files ─▶ saved files
         ─ command ─▶ one JSON object, exit code

`actions.generate` lists the stages of a run in order; read it first. `models` and `checks` know what may be asked,
`service` talks to DashScope with the key, `storage` moves files and never sees the key, `account` records what was
bought. `sandbox` is a local stand-in that knows `models` but not `service`.

No module that a run needs has a name that begins with an underscore, because some installers drop those files.
"""
