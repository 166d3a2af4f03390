"""The record types of the catalogue, and how a model id finds its row. It knows no table.

A `Model` has one or more `Mode`s; a request is in the first mode whose `when` it meets. A mode names its wire shapes
and lists its `Param`s; a param holds everything that is known about one request field: its kind, its limits, the
service's default. The rows are the only place that says what is allowed: validation, the encoder, the help, the
documents and the sandbox all read them.
"""

from __future__ import annotations

from ..plain.record import record
from ..regions import BEIJING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, Mapping, Union

    from ..errors import Problem
    from ..files.media import Facts

    Bytes = bytes
    Values = Mapping[str, object]
    Finding = Union[Problem, str]
    """What a rule yields: a problem refuses the request, a text is a warning."""
    Check = Callable[[Values, Mapping[str, Facts]], Iterable[Finding]]
    """It gets the values and the facts of local files (path of the field → facts)."""

GIVEN = "given"
"""In `Mode.when`: the field is present and not empty, whatever its value."""


@record
class Rule:
    """A check over several fields, or over the bytes of files, and the sentence that the documents say of it.

    sentence: names and values in backticks.  example: how a prompt calls its references, where the rule asks for that.
    """

    check: Check
    sentence: str
    example: str = ""

    def __call__(self, values: Values, facts: Mapping[str, Facts]) -> Iterable[Finding]:
        return self.check(values, facts)


def says(sentence: str, example: str = "") -> Callable[[Check], Rule]:
    """Makes a check a rule: `@says("...")` stands above the function."""
    return lambda check: Rule(check, sentence, example)


@record
class Size:
    """Which picture sizes a mode makes. Sizes are texts `W*H` in pixels.

    presets: ratio → documented sizes, the preferred first; they are legal whatever the other rules say.
    fixed: only the presets are legal.  area, side: inclusive bounds of width × height and of each side.
    advised_area: outside it there is only a warning.  ratio: the long side is at most this many times the short one.
    snap: the service rounds both sides to multiples of it.  tiers: shorthand → its area in pixels.
    areas: names of price tiers that the API itself does not have → the largest area of each in pixels, the smallest
    first. Such a name means the largest square of its tier, a ratio alone the largest size of the first one.
    default: what the service takes when nothing is sent; empty where the model chooses.
    follows: area in pixels that the service aims at when it takes the ratio of the last input picture.
    """

    presets: Mapping[str, tuple[str, ...]] = {}
    fixed: bool = False
    area: tuple[int, int] | None = None
    advised_area: tuple[int, int] | None = None
    side: tuple[int, int] | None = None
    ratio: int = 0
    snap: int = 1
    tiers: Mapping[str, int] = {}
    areas: Mapping[str, int] = {}
    default: str = ""
    follows: int = 0


@record
class MediaRule:
    """What a media field takes: files of these types.

    megabytes: at most, of 1,048,576 bytes.  side: pixels, inclusive (0 as the upper bound: none).  side_is_advice:
    outside it there is only a warning.  ratio: the long side is at most this many times the short one.
    alpha: transparency is supported.  seconds: length of a clip or a sound, inclusive.  used_seconds: the service
    takes no more than these first ones.  fps: pictures a second, inclusive (0: no bound).
    ascii_url: the address must be plain ASCII.  data_url: a data: URL is taken.  inline_megabytes: a local file up to
    this weight goes as a data: URL instead of being uploaded.
    """

    types: tuple[str, ...]
    megabytes: int
    side: tuple[int, int] | None = None
    side_is_advice: bool = False
    ratio: float = 0
    alpha: bool = True
    seconds: tuple[float, float] | None = None
    used_seconds: float = 0
    fps: tuple[float, float] | None = None
    ascii_url: bool = False
    data_url: bool = True
    inline_megabytes: int = 0


@record
class Source:
    """What a media field names.

    scheme: "http", "https", "oss", "data", or "file", for which `path`, `bytes` and `facts` are filled in; "base64" is
    a data: URL without its head.
    facts: None for an unknown format.  fault: why it cannot be used at all.  nearest: what was probably meant.
    head: the first bytes of a file.  doubt: what is odd about it, as the end of a warning.
    """

    text: str
    scheme: str
    path: str = ""
    bytes: int = 0
    facts: Facts | None = None
    fault: str = ""
    nearest: str | None = None
    head: Bytes = b""
    doubt: str = ""

    @property
    def shown(self) -> str:
        """The text for people; the bytes of a data: URL are replaced by their number."""
        if self.scheme == "base64":
            return f"{self.text[:16]}…({len(self.text)} characters)"
        head, comma, encoded = self.text.partition(",")
        return f"{head},({len(encoded)} characters)" if comma and self.scheme == "data" else self.text


@record
class Param:
    """One request field.

    kind: "text", "integer", "number", "switch", "choice", "size", "media", "media list", "document" (one file
    that is no media), "link" (a web page, never touched by us) or "structure".
    low, high: inclusive bounds of a number, or of the count of a list; each of these has both.  beside: numbers outside
    of them that are legal too.  longest: of a text, in `unit`s; the service cuts a longer one, or only advises against
    it (`longest_is_advice`).
    media: one rule for each sort of file that the field takes.  gaps: entries of the list may be empty.
    default: what the service takes when the field is left out.  send: what we send then (None: nothing), and
    `remark` is the warning given then.  on_wire: False for a field that is checked but never sent.
    empty: a value that means the same as leaving the field out; it is not sent.
    also: other names for the field.  essential: the field decides what is made, so a model without it refuses it
    instead of leaving it out.
    """

    name: str
    kind: str
    meaning: str = ""
    required: bool = False
    low: float = 0
    high: float = 0
    beside: tuple[int, ...] = ()
    longest: int = 0
    longest_is_advice: bool = False
    unit: str = "characters"
    choices: tuple[str | int, ...] = ()
    size: Size | None = None
    media: tuple[MediaRule, ...] = ()
    gaps: bool = False
    default: object = None
    send: object = None
    remark: str = ""
    on_wire: bool = True
    empty: object = None
    also: tuple[str, ...] = ()
    essential: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether no request of the mode can do without it."""
        return self.required or bool(self.media and self.low)

    @property
    def takes_files(self) -> bool:
        """Whether its value may be a local file, which is then uploaded."""
        return bool(self.media) or self.kind == "document"


PATIENCE = 180
"""Minutes after which the service gives a task up, unless the row says otherwise."""


@record
class Mode:
    """One way to use a model.

    sync, task: its wire shapes, for one exchange and for a task that is polled; "" where it has no such way.
    when: field → value (or GIVEN) that puts a request into this mode.
    when_any: at least one of these fields must be given as well.
    excludes: fields of other modes that cannot be combined with the fields that choose this one.
    text_first: the prompt stands before the pictures on the wire.
    bills: the field that limits how many units are billed; `most` is the limit where the field is not given and has no
    default.  is_ceiling: the model may make fewer.  lasts: the field whose file is as long as the result.
    bills_clips: the seconds of input clips are billed too.  most_of_clips, most_in_all: the most seconds of those clips
    together, and of clips and result together (0: no limit).
    bills_by_area: a picture is priced by the `areas` of its size, and input pictures are billed too.
    unconfirmed: what no page confirms about the bill, as a clause.
    interleaved: the answer is texts and pictures in turn.
    answer: the layout of the final answer, where its wire shape has several; empty for the plain one.
    usage: the fields of `usage` in the answer about a video, with spaces between.
    fps: frames a second of the result, where the answer states them.
    pixels: tier → ratio → the size in pixels that they make, for translating between the two ways to say it.
    usual: how long a task takes, in words.
    patience: minutes of waiting and running together after which the service gives a task up.
    as_given: nothing is checked and nothing is added.
    """

    name: str
    params: tuple[Param, ...]
    sync: str = ""
    task: str = ""
    when: Mapping[str, object] = {}
    when_any: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    text_first: bool = False
    bills: str = "n"
    most: int = 1
    is_ceiling: bool = False
    bills_clips: bool = False
    most_of_clips: int = 0
    most_in_all: int = 0
    lasts: str = ""
    bills_by_area: bool = False
    unconfirmed: str = ""
    interleaved: bool = False
    answer: str = ""
    usage: str = ""
    fps: int = 0
    pixels: Mapping[str, Mapping[str, str]] = {}
    usual: str = ""
    patience: int = PATIENCE
    as_given: bool = False

    def param(self, name: str) -> Param | None:
        return next((param for param in self.params if param.name == name), None)

    def is_for(self, values: Values) -> bool:
        """Whether this mode fits a request with these values; an earlier mode of the model may take it first."""
        if not meets(self.when, values):
            return False
        return not self.when_any or any(says_something(values.get(name)) for name in self.when_any)


@record
class Pace:
    """How fast one account may use a model: all its keys and machines share this.

    rate: submissions a second in Beijing.  elsewhere: in the other regions, where that differs (0: it does not).
    running: tasks that run at once, more of them wait; 0 without a bound.
    source: the page that says so, "" for a cautious guess.  checked: the month (YYYY-MM) of the copy that was read.
    """

    rate: float = 1.0
    running: int = 2
    elsewhere: float = 0.0
    source: str = ""
    checked: str = ""

    def rate_in(self, region: str) -> float:
        return self.rate if region == BEIJING or not self.elsewhere else self.elsewhere


@record
class Model:
    """A row: what is documented about one model id. `checked` is the date (YYYY-MM-DD) of the last look at `source`.

    kinds: the ways of working that users choose from (t2v, i2v, …), where a program has several; the first is its own.
    sound: whether its videos have sound.
    tells_rewriting: its answers contain the rewritten prompt.
    instead: field that it lacks → how to get the same from this model.
    twins: region → the spelling of the same model there, for regions that do not know this one.
    ends: the model's announced last day (YYYY-MM-DD).  replacement: the model that the service names instead.
    pace: for many requests.
    """

    id: str
    family: str
    summary: str
    modes: tuple[Mode, ...]
    regions: tuple[str, ...]
    source: str
    checked: str
    aliases: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    sound: str = "yes"
    tells_rewriting: bool = False
    instead: Mapping[str, str] = {}
    twins: Mapping[str, str] = {}
    ends: str = ""
    replacement: str = ""
    pace: Pace = Pace()

    @property
    def params(self) -> Iterable[Param]:
        """The fields of every mode; a name occurs once for each mode that has it."""
        return (param for mode in self.modes for param in mode.params)


@record
class Default:
    """The model for requests that name none and whose fields meet `when`. regional: region → its spelling there."""

    model: str
    when: Mapping[str, object] = {}
    regional: Mapping[str, str] = {}


@record
class Found:
    """A row for an id. `id` is what goes on the wire; `note` tells the user when the id is not simply that of the row.

    exact: the row is the id's own, not a relative's.  why: how the id was chosen when none was named.
    """

    model: Model
    id: str
    note: str = ""
    exact: bool = True
    why: str = ""

    @property
    def ending(self) -> str:
        """The announced end of the model and what comes after it, "" when none is known for this very id."""
        model = self.model
        if not (self.exact and model.ends):
            return ""
        ends = f"{self.id} was announced to end on {model.ends}, and may be refused from then on"
        return f"{ends}; its replacement is {model.replacement}"


@record
class Flag:
    """A flag of the command line. `metavar` names its value; a switch has none.

    field: the request field that it sets.  many: it may be repeated, for a list.  seconds: its value is a time.
    whole: its value is a whole number from 1.
    short: a second, one-letter spelling.  one: what to do instead of giving it twice.
    """

    name: str
    metavar: str
    help: str
    field: str = ""
    many: bool = False
    optional: bool = False
    seconds: bool = False
    short: str = ""
    whole: bool = False
    one: str = ""

    @property
    def key(self) -> str:
        """Its name among parsed arguments."""
        return self.name.lstrip("-").replace("-", "_")


@record
class Catalog:
    """Everything that one program can make.

    noun: what it makes.  unit: what is billed.  folder: where results go by default.
    families: glob of ids → id of the row whose rules an unknown id takes; the first match counts.
    elsewhere: the program that makes another kind of media, and globs of its ids.
    closed: globs of ids that these programs cannot call, each with the reason.
    makers: the row for ids of the form maker/model, and globs of those that belong to the other program.
    defaults: the first whose condition is met counts; the last one has none.
    kinds: what `--mode` may say, where a program has several ways of working.  keeps_replies: the service's whole
    answer is saved next to each result.  beyond: field → what to do when no model takes its value.
    """

    program: str
    purpose: str
    examples: tuple[str, ...]
    noun: str
    unit: str
    folder: str
    flags: tuple[Flag, ...]
    models: tuple[Model, ...]
    families: tuple[tuple[str, str], ...]
    elsewhere: tuple[str, tuple[str, ...]]
    defaults: tuple[Default, ...]
    kinds: tuple[str, ...] = ()
    keeps_replies: bool = False
    closed: tuple[tuple[str, str], ...] = ()
    makers: tuple[Model, tuple[str, ...]] | None = None
    beyond: Mapping[str, str] = {}

    @property
    def params(self) -> Iterable[Param]:
        """The same for every model."""
        return (param for model in self.models for param in model.params)

    @property
    def vocabulary(self) -> dict[str, Param]:
        """Name or synonym → a field of that name."""
        return {name: param for param in self.params for name in (param.name, *param.also)}

    @property
    def cap(self) -> str:
        """The flag that bounds what is billed."""
        return f"--max-{self.unit}s"


def says_something(value: object) -> bool:
    """Whether a field is really given: not null, false or empty."""
    return value is not None and value is not False and value != "" and value != [] and value != {}


def meets(when: Mapping[str, object], values: Values) -> bool:
    """Whether the values meet the conditions of a `Mode` or a `Default`."""
    return all(
        says_something(values.get(name)) if wanted is GIVEN else values.get(name) == wanted
        for name, wanted in when.items()
    )


SNAPSHOT = r"-20\d\d-\d\d-\d\d$"


def find(catalog: Catalog, model_id: str) -> Found | None:
    """The row for an id: by name, by alias, as a dated snapshot of a name, else by its maker or its nearest family.

    None when this program cannot call the model; `why_not` says why.
    """
    rows = {model.id: model for model in catalog.models}
    names = {alias: model for model in catalog.models for alias in model.aliases}
    if model_id in rows:
        return Found(rows[model_id], model_id)
    if model_id in names:
        model = names[model_id]
        return Found(model, model.id, f"{model_id} is spelled {model.id} in requests")
    import re

    from ..plain.spelling import nearest

    base = re.sub(SNAPSHOT, "", model_id)
    if base in rows:
        return Found(rows[base], model_id)
    if any(why_not(catalog, model_id)):
        return None
    if "/" in model_id and catalog.makers:
        note = f"{model_id} is its maker's own model: the request is passed on unchanged, and its bill is unknown"
        return Found(catalog.makers[0], model_id, note, exact=False)
    row = rows[_family(catalog, model_id)[1]]
    note = f"unknown model id {model_id!r}: what you give is sent unchanged, with warnings by the rules of {row.id}"
    near = nearest(model_id.lower(), [*rows, *names])
    note += f"; the nearest known id is {near[0]}" if near else ""
    return Found(row, model_id, note, exact=False)


def why_not(catalog: Catalog, model_id: str) -> tuple[str, str]:
    """Why this program cannot call an id without a row, and what to do instead; two empty texts when it can.

    If a family and a closed glob both match, the one with more letters wins.
    """
    program, foreign = catalog.elsewhere
    another = (f"the model {model_id} makes another kind of media", f"use {program} for it")
    if "/" in model_id and catalog.makers:
        return another if matches(model_id, catalog.makers[1]) else NOTHING
    family = _letters(_family(catalog, model_id)[0])
    for pattern, sentence in catalog.closed:
        if _letters(pattern) > family and matches(model_id, (pattern,)):
            return f"{model_id} cannot be used here: {sentence}", f"{catalog.program} --list-models shows what can"
    return another if matches(model_id, foreign) else NOTHING


NOTHING = ("", "")


def _family(catalog: Catalog, model_id: str) -> tuple[str, str]:
    """The glob and the row of the family of an id; the last family takes every id."""
    return next(family for family in catalog.families if matches(model_id, family[:1]))


def matches(model_id: str, patterns: Iterable[str]) -> bool:
    """Whether an id fits one of the globs, which are in lower case."""
    from fnmatch import fnmatchcase

    return any(fnmatchcase(model_id.lower(), pattern) for pattern in patterns)


def _letters(pattern: str) -> int:
    return len(pattern.replace("*", ""))


def names_a_field(catalog: Catalog, kind: object, model: object) -> bool:
    """Whether `mode` means a field of the model itself. Some rows have one, and a model without a row may.

    Otherwise it means one of our modes (t2v, i2v, …).
    """
    if not isinstance(model, str) or not model or ("/" not in model and kind in catalog.kinds):
        return False
    match = find(catalog, model)
    return match is not None and (not match.exact or any(mode.param("mode") for mode in match.model.modes))
