#!/usr/bin/env python3
"""Reads the index.json that the fuzzing server writes and judges one agent's run.

    check.py OUTDIR/index.json [--agent NAME] [--expect N] [--close]
        [--strict SECTION]... [--exact]

Prints how many cases of each section ended in each behaviour. Exits 0 when every case
is OK, NON-STRICT or INFORMATIONAL; 1 when one is not; 2 when there is nothing to judge
or the number of cases is not N. --close also demands this of the closing handshake,
--strict SECTION demands OK of each case in that section (may be repeated), and --exact
takes NON-STRICT for what it is: worse than it was.
"""
import argparse, collections, json, sys

GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


def key(case):
    return [int(part) for part in case.split(".")]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("index")
    ap.add_argument("--agent", help="needed when the report holds several agents")
    ap.add_argument("--expect", type=int, help="how many cases must be there")
    ap.add_argument("--close", action="store_true", help="judge behaviorClose too")
    ap.add_argument("--strict", action="append", default=[], metavar="SECTION", help="a section, such as 6.4, whose cases must be OK")
    ap.add_argument("--exact", action="store_true", help="NON-STRICT is not good enough")
    args = ap.parse_args()
    accepted = GOOD - {"NON-STRICT"} if args.exact else GOOD

    with open(args.index, encoding="utf-8") as f:
        report = json.load(f)
    agent = args.agent or (next(iter(report)) if len(report) == 1 else None)
    if not report.get(agent):
        print("no cases for agent %r; the report has: %s" % (agent, ", ".join(sorted(report)) or "none"))
        return 2
    cases = report[agent]

    sections, behaviours = collections.defaultdict(collections.Counter), collections.Counter()
    closes, bad = collections.Counter(), []
    for name in sorted(cases, key=key):
        case = cases[name]
        sections[key(name)[0]][case["behavior"]] += 1
        behaviours[case["behavior"]] += 1
        closes[case["behaviorClose"]] += 1
        strict = any(name.startswith(section + ".") for section in args.strict)
        good = {"OK"} if strict else accepted
        if case["behavior"] not in good or (args.close and case["behaviorClose"] not in accepted):
            bad.append((name, case))

    def show(counter):
        return ", ".join("%s %d" % item for item in sorted(counter.items()))

    print("agent %s: %d cases" % (agent, len(cases)))
    for section in sorted(sections):
        print("  section %-2d %4d: %s" % (section, sum(sections[section].values()), show(sections[section])))
    print("behaviour: " + show(behaviours))
    print("close:     " + show(closes))
    for name, case in bad:
        print("NOT GOOD %s: %s, close %s (%s)" % (name, case["behavior"], case["behaviorClose"], case.get("reportfile", "")))
    if args.expect is not None and args.expect != len(cases):
        print("expected %d cases" % args.expect)
        return 2
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
