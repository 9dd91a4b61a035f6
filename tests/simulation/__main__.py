"""The mass: ``python -m tests.simulation``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter

from tests.simulation.checking import check, fails_alike
from tests.simulation.driver import collect_seldom, simulated
from tests.simulation.histories import draw, shrunk


def _some(seeds: range) -> list[tuple[int, str, str]]:
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
    parts = [seeds[at : at + 100] for at in range(0, len(seeds), 100)]
    began = time.perf_counter()
    found = []
    collect_seldom()
    if given.processes == 1:
        for part in parts:
            found += _some(part)
    else:
        with multiprocessing.get_context("fork").Pool(given.processes) as pool:
            for some in pool.imap_unordered(_some, parts):
                found += some
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
