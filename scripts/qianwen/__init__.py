"""The client that image.py and video.py share.

    argv ─ cli ─▶ Ask ─ job: validate ─▶ Checked ─ inputs, uploads ─▶ URLs ─ wire.encode ─▶ Call
         ─ transport (retry wraps send) ─▶ Response ─ tasks.wait ─▶ final body ─ wire.decode ─▶ Result
         ─ downloads, outputs ─▶ saved files ─ cli ─▶ one JSON object, exit code

`models` says what may be asked and how it is written; `service` talks to DashScope; they meet in `job` and its last
stage, `saving`. A run reaches the service through `session`. `sandbox` is a local stand-in that knows `models` and
never `service`. Nothing that a run needs lives in a file whose name begins with an underscore, because some installers
drop those.
"""
