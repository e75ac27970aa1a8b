"""Every Redis key that Taskyard uses: this module is the only place that spells one.

All keys of a queue carry the hash tag `{queue}`, so that they share a slot and one script can change them together.
"""

from __future__ import annotations

import re
from functools import cached_property

from queue_core.errors import InvalidName, shown

FORMAT = 1
"""Version of everything below. It stands in `control` from the first write, and every script checks it."""

SENTINEL = ":" * 65
"""Stands in `leases` and `running` for ever: longer than 64 bytes, it keeps both out of the small encoding, in which
300 running tasks cost 15 µs each instead of 0.75. No id has a `:`. Counts subtract it."""

NO_QUEUE = "_"
"""Stands for a queue in calls whose keys are of none."""

MAX_PRIORITY = 2_000
PRIORITY_STEP = 1 << 42
"""Milliseconds that one step of priority is worth in the score of `prioritized`: 139 years."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}\Z")


def check_name(kind: str, name: object) -> str:
    """Return `name` if it can be the name of a queue, task, worker or namespace; nothing in it can break out of a
    hash tag, a URL or a line. Raises `InvalidName`."""
    if isinstance(name, str) and _NAME.match(name):
        return name
    raise InvalidName(
        f"{kind} name {shown(name, 150)} is not allowed: 1 to 128 letters, digits and _ . : -, "
        "beginning with a letter, a digit or _",
        kind=kind,
        name=name,
    )


def is_name(name: str) -> bool:
    return _NAME.match(name) is not None


def queues(namespace: str) -> str:
    """SET of queue names. A directory, not the truth: written again every minute by whoever uses a queue."""
    return f"{namespace}:queues"


def workers(namespace: str) -> str:
    """ZSET: worker id → last heartbeat, ms."""
    return f"{namespace}:workers"


def worker(namespace: str, worker_id: str) -> str:
    """STRING with an expiry: the worker's own description, JSON."""
    return f"{namespace}:worker:{worker_id}"


def command(namespace: str, worker_id: str) -> str:
    """STRING with an expiry: what an operator told the worker last, JSON; a channel of the same name says that there is
    something to read."""
    return f"{namespace}:command:{worker_id}"


def operations(namespace: str) -> str:
    """ZSET: queue → when an operation was last begun there, ms. Where to look for some that nobody runs: a directory,
    not the truth."""
    return f"{namespace}:operations"


def schedules(namespace: str) -> str:
    """HASH: name of a schedule → JSON object (see `timetable`): what comes when, and who says so."""
    return f"{namespace}:schedules"


def audit(namespace: str) -> str:
    """STREAM of about 10,000 entries: what operators did (at, by, verb, queue, target, count, reason, action)."""
    return f"{namespace}:audit"


def audited(namespace: str, form: str) -> str:
    """STRING with an expiry of 10 min: the entry in `audit` that a form has written. It shares that key's slot."""
    return f"{namespace}:audited:{{{audit(namespace)}}}:{form}"


def ended_sign_ins(namespace: str) -> str:
    """ZSET: id of a sign-in to a console that was signed out → when it would be over anyway, s. At most 10,000."""
    return f"{namespace}:ended_sign_ins"


def tries(namespace: str, digest: str) -> str:
    """SET of the attempts' ids, with an expiry: what somebody tried of late that is limited, e.g. to sign in so."""
    return f"{namespace}:tries:{digest}"


class QueueKeys:
    """The keys of one queue. `ms` is Unix milliseconds by the server's clock."""

    def __init__(self, namespace: str, queue: str) -> None:
        self.namespace = check_name("namespace", namespace)
        self.queue = check_name("queue", queue)
        self._prefix = f"{namespace}:{{{queue}}}:"
        self._named: dict[tuple[str, ...], tuple[str, ...]] = {}

    def named(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The keys of these names, as a script's header has them."""
        keys = self._named.get(names)
        if keys is None:
            keys = self._named[names] = tuple(getattr(self, name) for name in names)
        return keys

    # The tasks themselves.

    @cached_property
    def tasks(self) -> str:
        """HASH: id → envelope (see `codec`). Every task that has not ended is here, wherever else it is."""
        return self._prefix + "tasks"

    # The places: every id in `tasks` is in exactly one of these.

    @cached_property
    def ready(self) -> str:
        """LIST: tasks of priority 0, oldest first. An element is an id, followed by its ready time (7 base62 digits,
        ms since 2020) where that is not the id's own; before an id that has no time of its own stands a `:`."""
        return self._prefix + "ready"

    @cached_property
    def removed(self) -> str:
        """SET: ids whose one element in `ready` no longer counts; whoever pops it drops both."""
        return self._prefix + "removed"

    @cached_property
    def prioritized(self) -> str:
        """ZSET: ready tasks of any other priority → −priority · 2⁴² + ready time in ms since 2020."""
        return self._prefix + "prioritized"

    @cached_property
    def held(self) -> str:
        """ZSET: `lane/id` → 0. A lane is `name:<task>` or `unknown:<task>`; no name has a `/`."""
        return self._prefix + "held"

    @cached_property
    def scheduled(self) -> str:
        """ZSET: id → due, ms."""
        return self._prefix + "scheduled"

    @cached_property
    def retrying(self) -> str:
        """ZSET: id → due, ms. Counted in the task's fault as well."""
        return self._prefix + "retrying"

    @cached_property
    def leases(self) -> str:
        """ZSET: id → end of the lease, ms; and `SENTINEL` → +inf."""
        return self._prefix + "leases"

    @cached_property
    def blocked(self) -> str:
        """ZSET: tasks that wait for other tasks. Reserved: nothing makes one yet."""
        return self._prefix + "blocked"

    @cached_property
    def dead(self) -> str:
        """ZSET: dead letter → time of death, ms."""
        return self._prefix + "dead"

    @cached_property
    def trash(self) -> str:
        """ZSET: id → when it is deleted for good, ms."""
        return self._prefix + "trash"

    # What belongs to a place.

    @cached_property
    def running(self) -> str:
        """HASH: id → `fence claimed-ms ready-digits worker`, and ` {progress}` once its handler has told any, for
        exactly the ids of `leases`; and `SENTINEL`."""
        return self._prefix + "running"

    @cached_property
    def cancelling(self) -> str:
        """HASH: running task that was asked to stop → JSON object: by, reason. Only of ids in `leases`."""
        return self._prefix + "cancelling"

    @cached_property
    def closed(self) -> str:
        """HASH: lane → `closed` or `open`, and a JSON object (by, reason, at). An open one empties into claims."""
        return self._prefix + "closed"

    @cached_property
    def trashed(self) -> str:
        """HASH: id in `trash` → JSON object: from (the place), score (its score there), member, by, reason, at; of a
        task on its way to another queue also to (that queue) and token."""
        return self._prefix + "trashed"

    @cached_property
    def imported(self) -> str:
        """ZSET: `id:token` of a task that came from another queue, or that and `:refused` of one that is not to come →
        when the mark may go, ms; +inf until the other queue has forgotten the task. It outlives the queue, with an
        expiry where no mark is +inf."""
        return self._prefix + "imported"

    @cached_property
    def unique(self) -> str:
        """HASH: unique key → `id until-ms`; 0: until that task ends. What is held by a dead letter, or by a task in the
        trash, is free."""
        return self._prefix + "unique"

    @cached_property
    def unique_expiring(self) -> str:
        """ZSET: unique key that is held for a time → until, ms."""
        return self._prefix + "unique_expiring"

    @cached_property
    def expiring(self) -> str:
        """ZSET: id → ms after which its run is not to begin any more; +inf: that time came while it could not end."""
        return self._prefix + "expiring"

    @cached_property
    def occurrences(self) -> str:
        """HASH: schedule → `ms id what`: its last occurrence that was enqueued, and the task that it made (`made`) or
        met (`met`). None that is not later is enqueued."""
        return self._prefix + "occurrences"

    @cached_property
    def dead_by_fault(self) -> str:
        """ZSET: `fingerprint:ms of death, 13 digits:id` → 0, so that a fault's letters are one lexicographic range."""
        return self._prefix + "dead_by_fault"

    # What happened.

    @cached_property
    def history(self) -> str:
        """HASH: id → first line `attempts crashes releases attempts-before fingerprint`, and behind it ` operation`
        where one requeued it (see `outcomes`), then one line an entry,
        `ms kind JSON`, oldest first, ≤ 1 kB; and `:id` → traceback of the last attempt, where its frames differ from
        its fault's. A task that simply succeeds has none."""
        return self._prefix + "history"

    @cached_property
    def faults(self) -> str:
        """HASH, for each fingerprint f: `f` → JSON (task, class, message, frame, first), `f:attempts`, `f:retrying`,
        `f:trashed` (were dead or retrying) → numbers, `f:versions` → application versions, newest last, `f:frames` and
        `f:traceback` of the newest, `f:recent` → attempts by time, newest first: `minute count`, then for each earlier
        minute how many before that it was, and its count, 7 h long and by 5 min where it lies more than an hour back;
        `f:mute` → JSON object (by, reason, at, until, attempts), `f:notes` → at most 10 of them (by, text, at), a line
        each, newest first."""
        return self._prefix + "faults"

    @cached_property
    def faults_seen(self) -> str:
        """ZSET: fingerprint → last seen, ms. At most 1,000, plus overflow ones."""
        return self._prefix + "faults_seen"

    def record(self, task_id: str) -> str:
        """HASH with an expiry of 24 h, or as long as its result is kept: what an ended task left (state, at, worker,
        envelope, history, result or no_result, result_until)."""
        return f"{self._prefix}record:{task_id}"

    def end(self, task_id: str) -> str:
        """A channel, no key: something is published on it when the task has ended, or is a dead letter."""
        return f"{self.tasks}:{task_id}"

    # What operators began.

    @cached_property
    def operations(self) -> str:
        """ZSET: id of an operation → −began, ms, while it is under way; then ended, ms. At most 1,000, for 7 days."""
        return self._prefix + "operations"

    @cached_property
    def outcomes(self) -> str:
        """HASH, for each operation o that requeues: `o:completed`, `o:failed`, `o:ended`, `o:recalled` → how
        many of its tasks. The
        last word of a task's counters in `history` is the operation that requeued it last, with a `!` once it has
        failed again."""
        return self._prefix + "outcomes"

    def operation(self, operation_id: str) -> str:
        """HASH, with an expiry of 7 days once it has ended: what an operation is to do, how far it is, who runs it."""
        return f"{self._prefix}operation:{operation_id}"

    # The queue itself.

    @cached_property
    def control(self) -> str:
        """HASH: format, changes (how many calls have changed the queue, from the time on at which it was made, µs: what
        was read of it holds while that stays), fence (last given), turn (claims' fairness), seen (last sign of life of
        a worker, ms), grace (nothing is recovered before, ms), minute and hour (what is counted belongs to them; since
        1970), died_at (when a task became a dead letter last, ms), paused (JSON: by, reason, at), limits (JSON), and of
        each rate that is limited when its token bucket will be full (`enqueue_rate_full`, `claim_rate_full`: ms)."""
        return self._prefix + "control"

    @cached_property
    def stats(self) -> str:
        """HASH: the books (enqueued, completed, discarded, deleted …) and what else is counted (failed, retried,
        died …) → how many, ever; `wait` and `run` → how many in each bucket of a histogram, with spaces between."""
        return self._prefix + "stats"

    @cached_property
    def telemetry(self) -> str:
        """HASH: `m<minute>` (25 h) and `h<hour>` (35 days) → what was counted in it, `n<hour>` (7 days) → the same by
        task name, `last` → the books when the noted minute began, each packed (lib/figures.lua); `since` → when
        it began, ms. Minutes and hours are since 1970."""
        return self._prefix + "telemetry"

    @cached_property
    def names(self) -> str:
        """HASH, of the running hour: `:<task>` → what workers measured of it, packed (lib/figures.lua),
        `<counter>:<task>` → how many. At most 400 fields; what has no room counts under the empty name."""
        return self._prefix + "names"

    @cached_property
    def attempts(self) -> str:
        """HASH: task name → its newest attempts by the minute, and when the last one completed (lib/attempts.lua). At
        most 400 names."""
        return self._prefix + "attempts"

    @cached_property
    def notify(self) -> str:
        """LIST: wake-up tokens, at most 16. A hint, never the truth."""
        return self._prefix + "notify"

    def session(self, session_id: str) -> str:
        """STRING with an expiry of 10 min: `sequence-number answer` of the session's last call."""
        return f"{self._prefix}session:{session_id}"


LASTING = tuple(name for name, value in vars(QueueKeys).items() if isinstance(value, cached_property))
"""Names of a queue's keys that do not expire by themselves: what goes with the queue."""
