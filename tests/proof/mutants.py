"""Mutants of the scripts: each is a mistake that somebody could make.

Most are found by a random life beside the model. Which one it was is noted beside this file, since most lives find
nothing: the test begins with the noted one, `make mutants` renews the notes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from queue_core import protocol, scripts
from queue_core.scripts import Script
from tests.engine import Engine
from tests.proof.bulk_machine import BulkMachine
from tests.proof.counting_machine import CountingMachine
from tests.proof.halves import changed
from tests.proof.machine import relive
from tests.proof.moving_machine import MovingMachine
from tests.proof.queue_machine import QueueMachine
from tests.proof.schedules_machine import SchedulesMachine
from tests.proof.test_halves import stops_of
from tests.scripts.test_edit import meet_edit
from tests.scripts.test_enqueue_occurrence import (
    test_server_whose_clock_has_gone_back_a_long_way_waits_for_no_noted_time as meet_clock_gone_back,
)
from tests.scripts.test_every_script import test_key_of_a_wrong_type_is_reported_and_nothing_changes as meet_wrong_types

LIVES, STEPS = 600, 60
"""At most, until a mutant is found."""
NOTES = Path(__file__).with_name("lives_of_mutants.json")
FOUND = (AssertionError, pytest.fail.Exception)

by_life, by_bulk, by_counting, by_moves = QueueMachine, BulkMachine, CountingMachine, MovingMachine
by_schedules = SchedulesMachine


def by_clock(engine: Engine, verb: str) -> None:
    """The server's clock has gone back."""
    meet_clock_gone_back(engine, 3_600_001, protocol.MADE)


def by_halves(engine: Engine, verb: str) -> None:
    """A failure before each write of the script loses no task."""
    stops_of(engine, verb)


def by_edit(engine: Engine, verb: str) -> None:
    """The whole state behind an edit."""
    meet_edit(engine)


def by_wrong_types(engine: Engine, verb: str) -> None:
    """A key of a wrong type is refused before anything is written."""
    meet_wrong_types(engine, verb)


@dataclass(frozen=True)
class Mutant:
    """`find`: the machine whose random lives find it, or a check of its own."""

    verb: str
    mistake: str
    old: str
    new: str = ""
    find: Any = by_life

    def __str__(self) -> str:
        return f"{self.verb}: {self.mistake}"

    @property
    def shows_in_lives(self) -> bool:
        return isinstance(self.find, type)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """All scripts are loaded with its mistake."""
        load = scripts.load
        mutated = scripts.names() if self.verb == "*" else [self.verb]
        if not any(self.old in load(name).text for name in mutated):
            raise ValueError("the mutant's text is gone: it has to follow the script")

        def load_mutant(name: str) -> Script:
            script = load(name)
            return changed(script, script.text.replace(self.old, self.new)) if name in mutated else script

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scripts, "load", load_mutant)
            yield

    def life_that_finds_it(self, engine: Engine, lives: Iterable[int]) -> int | None:
        for life in lives:
            try:
                relive(engine, Counter(), life, STEPS, self.find)
            except FOUND as found:
                if "pytest-timeout" in str(found):
                    raise
                return life
        return None


def noted_lives() -> dict[str, int]:
    """Mutant → the number of a life in which it shows."""
    notes: dict[str, int] = json.loads(NOTES.read_text())
    return notes


FENCE = "match(claims[i], '^%d+') == fence and"
MUTANTS = (
    Mutant("complete", "the lease stays", "call('ZREM', leases, unpack(ended))"),
    Mutant("complete", "any fence will do", FENCE),
    Mutant("fail", "any fence will do", FENCE),
    Mutant("extend", "any fence will do", "claims[i] and match(claims[i], '^%d+') == ARGV[3 + i * 2]", "claims[i]"),
    Mutant("release", "any fence will do", "held_fence == fence and", "held_fence and"),
    Mutant("recover", "any fence will do", "claim and match(claim, '^%d+') == ARGV[i + 1]", "claim"),
    Mutant("complete", "an id counts twice that is twice in the batch", " and not seen[id]"),
    Mutant("release", "an id goes back twice that is twice in the batch", " and not seen[id]"),
    Mutant("enqueue", "an id enters twice that is twice in the batch", "elseif in_batch[id] then", "elseif false then"),
    Mutant("enqueue", "an id that is in the queue enters again", "if known_envelopes[i] then", "if false then"),
    Mutant("fail", "the attempt does not count", "counters.attempts + 1, fault", "counters.attempts, fault"),
    Mutant("fail", "a discarded task is not counted", "count('discarded', discarded)"),
    Mutant("fail", "a minute has one attempt at most", "newest, count + 1, older)", "newest, 1, older)"),
    Mutant("recover", "a crash is of the minute before", "fmt('%.0f 1 %.0f", "fmt('%.0f 0 %.0f"),
    Mutant("mute_fault", "its attempts are those in all", "(tonumber(call('HGET',", "0 * (tonumber(call('HGET',"),
    Mutant("mute_fault", "a time that is over will do", "until_ms <= now then", "until_ms < now then"),
    Mutant("note_fault", "the earlier ones go", "notes[#notes + 1] = note", "local _ = note"),
    Mutant("fail", "what was asked to stop runs again", "if request or verdict == 'cancel'", "if verdict == 'cancel'"),
    Mutant("cancel", "the place stays", "call('ZREM', scheduled, id)"),
    Mutant("recover", "one crash too few is allowed", "if counters.crashes > (", "if counters.crashes >= ("),
    Mutant("trash", "the tombstone is forgotten", "call('SADD', removed, id)"),
    Mutant("claim", "a tombstone outlives its element", "in ipairs(struck) do call('SREM',", "in ipairs({}) do call("),
    Mutant("restore", "the tombstone stays", "elseif call('SREM', removed, id) == 0 then", "else"),
    Mutant("promote", "the fault still counts a retry", "count_in_fault(read_history(id)", "type(read_history(id)"),
    Mutant("claim", "the fault still counts a retry", "if place == retrying then", "if false then"),
    Mutant("fail", "the answer is not remembered", "call('SET', session,", "type(session,"),
    Mutant("claim", "the answer is not remembered", "call('SET', session,", "type(session,"),
    Mutant("*", "a stale command is obeyed", "if number and sequence < number then", "if false then"),
    Mutant("recover", "the grace is ignored", "if now >= tonumber(fields[4] or", "if true or (fields[4] or"),
    Mutant("claim", "the lane is ignored", "if shut[kind .. name] then", "if false then"),
    Mutant("open_lane", "the lane is forgotten with its tasks in it", "if count > 0 then", "if false then"),
    Mutant("claim", "more is said to be ready", "- (struck_out - #struck)", ""),
    Mutant("claim", "a pause is ignored", "if paused then\n  if is_new", "if false then\n  if is_new"),
    Mutant("claim", "the fence is the clock's", "local fence = math.max(", "local fence = select(2, "),
    Mutant("claim", "the fair turn is left out", "if is_fair and", "if false and"),
    Mutant("enqueue", "nobody is woken", "wake(ready_now, tokens)"),
    Mutant("fail", "nobody is woken for the retry", "then wake(1) end", "then end"),
    Mutant("resume", "the queue does not tell of it", "begin_writing()\n  call('HDEL'", "call('HDEL'"),
    Mutant("resume", "nobody is woken", "wake(ready_count()", "type(ready_count()"),
    Mutant("requeue", "a letter that died again goes back", "tonumber(died) ~= expected", "false"),
    Mutant("edit", "a letter that died again is edited", "tonumber(died) ~= tonumber(ARGV[6])", "false", by_edit),
    Mutant("edit", "it is what it was", "call('HSET', tasks, id, edited)", "", by_edit),
    Mutant(
        "requeue", "the allowance is not fresh", "counters.attempts, counters.crashes, counters.operation = 0, 0,",
        "counters.operation =",
    ),
    Mutant("release", "to the end instead of the head", "at_head and 'LPUSH' or 'RPUSH'", "'RPUSH'"),
    Mutant("enqueue", "larger comes later", "EPOCH_MS - priority", "EPOCH_MS + priority"),
    Mutant("restore", "the time is lost", "call('ZADD', scheduled, score, id)", "call('ZADD', scheduled, now, id)"),
    Mutant("complete", "the key stays", "for _, task in ipairs(keyed) do release_key(task[1], task[2]) end"),
    Mutant("cancel", "the key stays", "release_key_of(id, call('HGET', tasks, id))"),
    Mutant("enqueue", "a dead letter holds its key", "call('ZSCORE', dead, holder) or"),
    Mutant("enqueue", "the window never ends", "now < tonumber(until_ms) and holder or nil", "holder"),
    Mutant("restore", "the key is not taken again", "if from ~= 'dead' then retake_key(id, envelope) end"),
    Mutant("delete", "the key of another is given back", "if call('HGET', unique, key) == id .. ' 0'", "if true"),
    Mutant("enqueue", "dead letters take room", "- call('ZCARD', dead) "),
    Mutant("enqueue", "what just fits is refused", "length + entering > most", "length + entering >= most"),
    Mutant("enqueue", "its tokens stay in the bucket", "if rate_full then call('HSET'", "if false then call('HSET'"),
    Mutant("enqueue", "what is met takes tokens", "full_after(bucket, entering)", "full_after(bucket, total)"),
    Mutant("claim", "more than the rate allows", "if bucket and bucket.tokens < limit", "if false"),
    Mutant("claim", "its tokens stay in the bucket", "if bucket and #taken > 0", "if false"),
    Mutant("claim", "says nothing of tokens", "left.tokens < 1 and", "false and"),
    Mutant("limit", "a rate that ends keeps its bucket", "if changes[name] == false", "if false"),
    Mutant("limit", "nobody is woken", "if changes.claim_rate ~= nil then", "if false then"),
    Mutant("export", "it stays in its place", "      put_in_trash(", "      local _ = put_in_trash or (", by_moves),
    Mutant(
        "export", "a new token each time", "local refusal = place == 'running'",
        "if origin then origin.token = ARGV[8] end\n  local refusal = place == 'running'", by_moves,
    ),
    Mutant("export", "the time is not in the ticket", "fmt('%s.%.0f', ARGV[8], now)", "ARGV[8]", by_moves),
    Mutant("import", "it comes as often as it is told", "call('ZSCORE', imported, ticket) or", "", by_moves),
    Mutant("import", "a ticket that was called back enters", "if is_refused or", "if", by_moves),
    Mutant("import", "it is never too late", "elseif now > tonumber(ARGV[4]) then", "elseif false then", by_moves),
    Mutant("import", "the key is not taken", "if place ~= 'dead' then retake_key(id, envelope) end", "", by_moves),
    Mutant("forget", "any ticket will do", "token_of(origin_of(id)) == token", "token_of(origin_of(id))", by_moves),
    Mutant("forget", "it counts as deleted", "leave_trash(leaving, 'exported')", "leave_trash(leaving, 'x')", by_moves),
    Mutant("confirm", "the mark goes at once", "now + ARGV[4]", "now", by_moves),
    Mutant("confirm", "what was refused stays for ever", "{ARGV[i], ARGV[i] .. ':refused'}", "{ARGV[i]}", by_moves),
    Mutant("confirm", "marks are made", "'XX', gone_at", "gone_at", by_moves),
    Mutant("delete_queue", "marks go with it", "key == imported and has_marks", "false", by_moves),
    Mutant("delete_queue", "also while tasks run", "or running_count > 0 then", "then", by_moves),
    Mutant("delete_queue", "however many there are", "(ARGV[5] == '' or total <= tonumber(ARGV[5]))", "true", by_moves),
    Mutant("enqueue", "the time of what does not enter is noted", "if enters and expires > 0", "if expires > 0"),
    Mutant("claim", "what is over begins", "  if is_overdue(id) then", "  if false then"),
    Mutant("claim", "what is over begins, out of a lane", "if envelope and is_overdue(id) then", "if false then"),
    Mutant(
        "claim", "what is put off takes room", "overdue[#overdue + 1] = id\n    return",
        "overdue[#overdue + 1] = id\n    bytes = bytes + #envelope\n    return",
    ),
    Mutant("claim", "nobody is told that time is over", "lines[9] = has_overdue and 1 or 0", "lines[9] = 0"),
    Mutant("expire", "before its time", "if time and time <= now", "if time"),
    Mutant("expire", "what runs ends", "place == 'running' or place == 'trashed' then", "place == 'trashed' then"),
    Mutant("expire", "the place stays", "      leave_place(id, place, member)"),
    Mutant("expire", "the key stays", "      release_key_of(id, envelope)"),
    Mutant("fail", "what is over waits on", "expire_if_over(left)"),
    Mutant("fail", "a dead letter can expire", "call('ZREM', expiring, id) --", "--"),
    Mutant("release", "what is over waits on", "expire_if_over(returned)"),
    Mutant("recover", "what is over waits on", "expire_if_over(again)"),
    Mutant("recover", "a dead letter can expire", "call('ZREM', expiring, id) --", "--"),
    Mutant("restore", "what is over waits on", "expire_if_over(restored)"),
    Mutant("complete", "can expire", "call('ZREM', expiring, unpack(ended))"),
    Mutant("delete", "can expire", "  forget_expiry(ids)\n  --", "  --"),
    Mutant("list_outstayed", "letters of any age", "fmt('%.0f', now - max_age)", "fmt('%.0f', now)"),
    Mutant("list_outstayed", "one letter too many", "- max_count or 0", "- max_count + 1 or 0"),
    Mutant("trash", "letters that have died since", "tonumber(score) <= died_by", "score"),
    Mutant(
        "start_operation", "one that was begun begins anew", "if call('EXISTS', operation) == 1 then",
        "if false then", by_bulk,
    ),
    Mutant("start_operation", "any number at once", "if under_way >= tonumber(ARGV[7]) then", "if false then", by_bulk),
    Mutant("start_operation", "the outcome is not asked for", "if ARGV[8] == '1' then", "if false then", by_bulk),
    Mutant(
        "start_operation", "the newest are forgotten", "call('ZRANGEBYSCORE', operations, '(0', '+inf', 'LIMIT', 0,",
        "call('ZREVRANGEBYSCORE', operations, '+inf', '(0', 'LIMIT', 0,", by_bulk,
    ),
    Mutant(
        "switch_operation", "what has ended can be resumed", "if state ~= 'running' and state ~= 'paused'",
        "if false", by_bulk,
    ),
    Mutant("switch_operation", "a cancelled one still counts", "call('ZADD', operations, now, ARGV[4])", find=by_bulk),
    Mutant("switch_operation", "the first are still waited for", "fields = {'canary', 0}", "fields = nil", by_bulk),
    Mutant(
        "switch_operation", "paused, it has another reason", "verb == 'pause' and state == 'running'",
        "verb == 'pause'", by_bulk,
    ),
    Mutant(
        "*", "open: whoever wants to runs it", "if op.runner ~= runner and op.runner ~= '' and",
        "if false and", by_bulk,
    ),
    Mutant(
        "*", "open: taken over a moment too soon", "now < op.heard + SILENT_MS then",
        "now < op.heard + SILENT_MS - 1 then", by_bulk,
    ),
    Mutant("*", "open: paused, it goes on", "if op.state ~= 'running' and", "if op.state == 'ended' and", by_bulk),
    Mutant(
        "*", "open: the first are not waited for", "(tonumber(counts[3]) or 0) < op.done",
        "(tonumber(counts[3]) or 0) < 0", by_bulk,
    ),
    Mutant(
        "*", "open: whatever ended has completed", "elseif (tonumber(counts[2]) or 0) > 0 then",
        "elseif false then", by_bulk,
    ),
    Mutant(
        "*", "open: no failure of the first counts", "if (tonumber(counts[1]) or 0) > 0 then",
        "if false then", by_bulk,
    ),
    Mutant("*", "open: no pace", "if op.drip > 0 and now < op.next then", "if false then", by_bulk),
    Mutant("*", "take: what came later, too", "return at ~= nil and at > op['until']", "return false", by_bulk),
    Mutant("*", "take: not what came in the last moment", "at > op['until']", "at >= op['until']", by_bulk),
    Mutant("*", "take: more than were shown", "math.min(CHUNK, op.count - op.looked)", "CHUNK", by_bulk),
    Mutant(
        "*", "take: more go first than were to", "then most = math.min(most, op.canary - op.done) end",
        "then end", by_bulk,
    ),
    Mutant("*", "take: one is passed over", "at = less + own", "at = less + 1", by_bulk),
    Mutant(
        "*", "take: the end of the line is later", "and (is_meant or ready_ms(id, digits) <= op['until'])",
        find=by_bulk,
    ),
    Mutant("*", "close: what is left alone is done", "op.taken - #skipped / 2, {}", "op.taken, {}", by_bulk),
    Mutant(
        "*", "close: what was looked at is shown again", "op.looked + op.taken, op.done",
        "op.looked, op.done", by_bulk,
    ),
    Mutant("*", "close: nothing is gone", "if is_over and op.looked < op.count then", "if false then", by_bulk),
    Mutant("*", "close: what was late is made up for", "math.max(op.next, now - 1000)", "op.next", by_bulk),
    Mutant(
        "requeue", "a chunk sent again does the next", "return answer(close_chunk(left))",
        "return close_chunk(left)", by_bulk,
    ),
    Mutant("*", "outcome: it fails twice", "has_failed and what == 'failed'", "false", by_bulk),
    Mutant(
        "*", "outcome: failed and completed, it counts in both", "if has_failed then call(",
        "if false then call(", by_bulk,
    ),
    Mutant(
        "complete", "the outcome is not told", "if is_asked then count_outcome(",
        "if false then count_outcome(", by_bulk,
    ),
    Mutant("cancel", "the outcome is not told", "count_outcome(counters, 'ended')", find=by_bulk),
    Mutant(
        "requeue", "by hand, it still counts", "operation and op.id or ''",
        "operation and op.id or counters.operation", by_bulk,
    ),
    Mutant("recall", "what another requeued, too", "~= op.undoes then", "== '' then", by_bulk),
    Mutant("recall", "it died just now", "= died, id", "= now, id", by_bulk),
    Mutant("recall", "its attempts are forgotten", "tonumber(attempts), tonumber(crashes)", "0, 0", by_bulk),
    Mutant("recall", "who requeued it before is forgotten", ',"previous":"(%w+!?)",', ',"none":"(%w+!?)",', by_bulk),
    Mutant("recall", "it stays ready", "call('SADD', removed, unpack(leaving.ready))", "type(1)", by_bulk),
    Mutant("recall", "it still counts as under way", "+ #recalled))", "+ 0))", by_bulk),
    Mutant(
        "measure", "the minute before gets it", "if end_minute then end_minute() end\n  local parts",
        "local parts", by_counting,
    ),
    Mutant("measure", "the hour before gets it", "if end_hour then end_hour() end", find=by_counting),
    Mutant(
        "measure", "only the last counts of a name", "figures.add_stored(measured, call('HGET', names, field))",
        "measured", by_counting,
    ),
    Mutant(
        "measure", "only the last counts in the books", "figures.add(times, figures.of_books())",
        "times", by_counting,
    ),
    Mutant("measure", "the minute before gets the attempts", "if newest >= minute then", "if true then", by_counting),
    Mutant("measure", "of attempts only the last are told", "bad + failed, older", "failed, older", by_counting),
    Mutant(
        "measure", "the last success is the last that was told", "math.max(tonumber(last), completed_ms)",
        "completed_ms", by_counting,
    ),
    Mutant("measure", "what is sent again counts again", "if replayed then return replayed[1] end", find=by_counting),
    Mutant("statistics", "the oldest is left out", "last - count + 1", "last - count + 2", by_counting),
    Mutant(
        "statistics", "hours are looked for among minutes", "found('h', floor(minute / 60),",
        "found('h', minute,", by_counting,
    ),
    Mutant("statistics", "the running minute is not told", "noted[2] or '',", "'',", by_counting),
    Mutant(
        "statistics", "hours that have ended are not told by name", "found('n', floor(minute / 60), by_name)",
        "{}", by_counting,
    ),
    Mutant("enqueue", "minutes are not ended", "if end_minute then end_minute() end", find=by_counting),
    Mutant("cancel", "it counts in no name", "count_name('cancelled', name_of(envelope), 1)", find=by_counting),
    Mutant(
        "enqueue_occurrence", "it comes as often as it is sent", "if noted and occurrence <= tonumber(noted) then",
        "if false then", by_schedules,
    ),
    Mutant(
        "enqueue_occurrence", "it is later than itself", "occurrence <= tonumber(noted)",
        "occurrence < tonumber(noted)", by_schedules,
    ),
    Mutant("enqueue_occurrence", "before its time", "if occurrence > now then", "if false then", by_schedules),
    Mutant("enqueue_occurrence", "a moment late", "occurrence > now then", "occurrence >= now then", by_schedules),
    Mutant(
        "enqueue_occurrence", "it is not noted", "call('HSET', occurrences, schedule,",
        "type(", by_schedules,
    ),
    Mutant("enqueue_occurrence", "what is met is made", "holder and 'met' or 'made'", "'made'", by_schedules),
    Mutant("enqueue_occurrence", "who was met is not noted", "holder or ids[1]", "ids[1]", by_schedules),
    Mutant(
        "enqueue_occurrence", "the answer is not remembered", "if replayed then return replayed end",
        find=by_schedules,
    ),
    Mutant(
        "enqueue_occurrence", "noted where the queue takes none", "local total = 1\n",
        "local total = 1\ncall('HSET', occurrences, schedule, fmt('%.0f %s made', occurrence, ARGV[4]))\n",
        by_schedules,
    ),
    Mutant("enqueue_occurrence", "waits for a clock that went back", "tonumber(noted) > now +", "0 > now +", by_clock),
    Mutant("set_schedule", "who comes last has it", "if found ~= seen then return 0 end", find=by_schedules),
    Mutant("set_schedule", "who comes late believes it", "return 0 end", "return 1 end", by_schedules),
    Mutant("set_schedule", "sent again, it is not so", "if found == wanted then return 1 end", find=by_schedules),
    Mutant("set_schedule", "what is removed is stored", "if wanted == '' then", "if false then", by_schedules),
    Mutant(
        "enqueue_occurrence", "the note before the task", "local total = 1\n",
        "local total = 1\ncall('HSET', occurrences, schedule, fmt('%.0f %s made', occurrence, ARGV[4]))\n", by_halves,
    ),
    Mutant(
        "promote", "source before destination", "    make_ready(id, priority_of(envelope), own_time(id, now))\n",
        "    call('ZREM', place, id)\n    make_ready(id, priority_of(envelope), own_time(id, now))\n", by_halves,
    ),
    Mutant(
        "fail", "source before destination", "call('ZADD', retrying, now + delay_ms, id)",
        "call('ZREM', leases, id) call('HDEL', running, id) call('ZADD', retrying, now + delay_ms, id)", by_halves,
    ),
    Mutant(
        "enqueue", "the envelope before the place", "if #elements > 0 then call('RPUSH'",
        "call('HSET', tasks, unpack(fields)) if #elements > 0 then call('RPUSH'", by_halves,
    ),
    Mutant(
        "complete", "writes before it decides", "local wrong = check_types(",
        "call('HINCRBY', stats, 'completed', 1)\nlocal wrong = check_types(", by_wrong_types,
    ),
    Mutant("requeue", "forgets to look at the types", "if wrong then return wrong end", "", by_wrong_types),
    Mutant("claim", "forgets to look at the types", "if wrong then return wrong end", "", by_wrong_types),
    Mutant("complete", "forgets to look at the types", "if wrong then return wrong end", "", by_wrong_types),
)  # fmt: skip
