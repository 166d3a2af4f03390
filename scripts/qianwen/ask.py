"""What the user asked for, as one frozen value. `command` parses it and `actions` carry it out."""

from __future__ import annotations

from .plain.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping


VERSION = "2.0.0"  # of both programs

TIMEOUT_SECONDS = 600.0

NO_TIMEOUT_SECONDS = 1e8  # a batch runs until it is done

POLL_SECONDS = 15.0


@record
class Ask:
    """What the user asked for. Most fields are named after their flags.

    fields: the request by field name, without the model and without what steers the run.
    kind: --mode.
    wants_task: --async.
    gallery: a folder, or True for that of the results.  tasks: an id, or True for the last ones.
    via: a route to the service other than DashScope's own API.
    typed: field → the flag that set it, or that would set it for a user of flags.
    timeout, poll_interval, since: in seconds.
    batch: a file of requests, for which `fields`, `model` and `kind` are the defaults.
    shard: (I, N), of the rows whose key is I modulo N only; (0, 1) for all.
    most: units that may be billed; 0 without a cap.
    words: the flags of a batch, with paths that hold in any folder.
    """

    fields: dict[str, Any]
    model: str = ""
    kind: str = ""
    wants_task: bool = False
    via: str = ""
    output: str = ""
    overwrite: bool = False
    region: str = ""
    task_id: str = ""
    poll_once: bool = False
    resume: bool = False
    tasks: str | bool = False
    since: float = 0.0
    cancel: str = ""
    again: bool = False
    reuse: bool = False
    submit_only: bool = False
    dry_run: bool = False
    sandbox: bool = False
    record: str = ""
    replay: str = ""
    print_response: bool = False
    quiet: bool = False
    sidecar: bool = False
    open: bool = False
    gallery: str | bool = False
    list_models: bool = False
    describe: str = ""
    batch: str = ""
    shard: tuple[int, int] = (0, 1)
    at_once: int = 0
    most: int = 0
    words: tuple[str, ...] = ()
    typed: Mapping[str, str] = {}
    timeout: float = TIMEOUT_SECONDS
    poll_interval: float = POLL_SECONDS
