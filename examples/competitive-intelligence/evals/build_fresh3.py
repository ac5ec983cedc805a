#!/usr/bin/env python3
"""Makes planted.fresh3.jsonl from fresh3_claims.psv, a list in the format of fresh2_claims.psv (see build_fresh2.py),
about pages that no other set cites, planted.fresh2.jsonl included. Same file every time (fixed seed).

    CONSORT_DATA=/path/to/data python3 build_fresh3.py [--check]    # --check compares and writes nothing

Exit codes: 0 done, 1 a row, phrase or figure is not on its page or the file differs, 2 CONSORT_DATA is not set.
"""
import pathlib
import sys

import build_fresh2 as fresh2
import build_heldout as heldout


class Folder:
    """The evals folder, where the list that build_fresh2 reads is fresh3_claims.psv."""

    def __truediv__(self, name):
        return pathlib.Path(__file__).parent / name.replace("fresh2_claims", "fresh3_claims")


if __name__ == "__main__":
    heldout.OTHERS.append("planted.fresh2.jsonl")
    fresh2.HERE = Folder()
    sys.exit(heldout.write("fresh3", 5151, fresh2.groups))
