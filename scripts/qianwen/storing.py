"""The end of a run through DesireCore: every picture is saved as usual and put into the media store as well.

DesireCore shows what lies in its store and nothing else, so each picture gets the Markdown that shows it there.
"""

from __future__ import annotations

from .record import changed
from .saving import Saver
from .service.forms import Upload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

    from .local_session import LocalSession


class StoringSaver(Saver):
    """description: what the pictures show, as it can stand in the brackets of Markdown."""

    service: LocalSession
    description: str

    def _save_one(self, index: int, urls: Sequence[str]) -> None:
        super()._save_one(index, urls)
        file = self.outcome.saved[index]
        media_id = self.service.store(Upload(file.saved.path, file.saved.facts.type, file.saved.bytes))
        counted = f" ({index + 1} of {len(urls)})" if len(urls) > 1 else ""
        markdown = f"![{self.description}{counted}](dc-media://{media_id})"
        self.outcome.saved[index] = changed(file, media_id=media_id, markdown=markdown)
        self.progress.say(f"Stored as dc-media://{media_id}")
