"""`make mutants`: notes for each mutant of the scripts a life in which it shows.

    python -m tests.proof.find_mutants

A note that still holds stays. Prints those that are new; ends with 1 if one is not found.
"""

from __future__ import annotations

import json
import sys

from queue_core.embedded import EmbeddedServer, find_bundled_binary
from tests.engine import Engine
from tests.proof.mutants import LIVES, MUTANTS, NOTES, Mutant, noted_lives

MOST_LIVES = 10 * LIVES


def main() -> int:
    server = EmbeddedServer(binary=find_bundled_binary())
    server.start()
    try:
        engine = Engine(server.url, "test")
        found = {str(mutant): life_of(mutant, engine) for mutant in MUTANTS if mutant.shows_in_lives}
    finally:
        server.stop()
    notes = {mutant: life for mutant, life in found.items() if life}
    NOTES.write_text(json.dumps(notes, indent=1) + "\n")
    return 0 if len(notes) == len(found) else 1


def life_of(mutant: Mutant, engine: Engine) -> int | None:
    noted = noted_lives().get(str(mutant))
    with mutant.installed():
        if noted and mutant.life_that_finds_it(engine, [noted]):
            return noted
        life = mutant.life_that_finds_it(engine, range(1, MOST_LIVES + 1))
    print(f"{mutant}: {f'life {life}' if life else f'not in {MOST_LIVES} lives'}", flush=True)
    return life


if __name__ == "__main__":
    sys.exit(main())
