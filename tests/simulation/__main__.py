"""The mass: ``python -m tests.simulation``."""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import sys
import time
from collections import Counter

from tests.simulation.checking import check, fails_alike
from tests.simulation.driver import collect_seldom, simulated
from tests.simulation.histories import draw, shrunk

# Each in a process of its own, which ends before its garbage is worth a look.
_PART = 1000


def _some(seeds: range) -> list[tuple[int, str, str]]:
    gc.disable()
    found = []
    with simulated():
        for seed in seeds:
            violations = check(draw(seed))
            if violations:
                found.append((seed, violations[0].kind, violations[0].text))
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--shrink", type=int, default=0)
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    parts = [seeds[at : at + _PART] for at in range(0, len(seeds), _PART)]
    began = time.perf_counter()
    _some(range(50))  # what is loaded once is loaded before the processes part
    collect_seldom()
    with multiprocessing.get_context("fork").Pool(given.processes, maxtasksperchild=1) as pool:
        found = [one for some in pool.imap_unordered(_some, parts) for one in some]
    seconds = time.perf_counter() - began
    print(f"{len(seeds)} histories in {seconds:.1f} s: {len(seeds) / seconds:.0f} per second; {len(found)} violations")
    for kind, count in Counter(kind for _, kind, _ in found).most_common():
        print(f"{count:7d} {kind}")
        for seed, _, text in sorted(one for one in found if one[1] == kind)[:4]:
            print(f"        {seed}: {text}")
    with simulated():
        for kind in dict.fromkeys(kind for _, kind, _ in found):
            for seed, _, _ in sorted(one for one in found if one[1] == kind)[: given.shrink]:
                small = shrunk(draw(seed), fails_alike(kind))
                print(kind, check(small)[0].text, json.dumps(small.to_json()))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
