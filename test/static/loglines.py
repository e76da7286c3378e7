#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every line that gantry can log has a row in docs/operations.md, with its level, and every row a line.

A row's pattern is the format with … for each value. One that ends with … stands for all lines that begin
so. Prints each line without a row and each row without a line, and fails.

    loglines.py SOURCE_ROOT [--list]     --list: print `level<TAB>pattern<TAB>file:line` instead
"""
import re
import sys
from pathlib import Path

CALLS = {"gt_log", "gt_event", "gt_node_tell"}
FORMAT_ARGUMENT = 2  # of each of them
LEVELS = {"LOG_CRIT": "critical", "LOG_ERR": "error", "LOG_WARNING": "warning", "LOG_NOTICE": "notice", "LOG_INFO": "info"}
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|//[^\n]*|/\*.*?\*/|\w+|\S', re.S)
CONVERSION = re.compile(r"%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z|j)?[a-zA-Z]")


def tokens_of(text):
    return [(m.group(), m.start()) for m in TOKEN.finditer(text) if not m.group().startswith(("//", "/*"))]


def arguments_of(tokens, i):
    """Of the call whose '(' is token i: its arguments, each a list of tokens."""
    found, depth = [[]], 0
    for token, _ in tokens[i:]:
        depth += (token in "([{") - (token in ")]}")
        if depth == 0:
            break
        if token == "," and depth == 1:
            found.append([])
        elif not (token == "(" and depth == 1 and found == [[]]):
            found[-1].append(token)
    return found


def formats_of(argument):
    """The literals of an argument: one, or one for each side of a `?:`."""
    formats, text, literal = [], "", False
    for token in argument + [":"]:
        if token.startswith('"'):
            text, literal = text + token[1:-1], True
        elif token in "?:":
            if literal and token == ":":
                formats.append(text)
            text, literal = "", False
        else:
            text += "u" if token.startswith("PRI") else "%s" if token.isupper() or "_" in token else ""
    return formats


def pattern_of(fmt):
    fmt = CONVERSION.sub("…", fmt.replace("%%", "\0")).replace("\0", "%").replace('\\"', '"')
    return " ".join(re.sub(r"…(?:\.?…)*", "…", fmt).split())


def has_words(pattern):
    return re.search(r"[A-Za-z]{2}", pattern) is not None


def written_to(tokens, i, name):
    """Where a call at token i logs a buffer: what its function wrote there."""
    begin = max((k for k in range(i) if tokens[k][0] == "{" and tokens[k - 1][0] == ")" and tokens[k][1] in starts), default=0)
    for k in range(begin, i):
        if tokens[k][0] == "snprintf":
            arguments = arguments_of(tokens, k + 1)
            if arguments[0] == [name]:
                yield from formats_of(arguments[2])


def lines_of(path):
    """(level or None, pattern, number of the line in the file) of each line that a file can log."""
    global starts
    text = path.read_text()
    starts = {m.start() + 1 for m in re.finditer(r"\n\{", text)}  # functions begin in column 0
    tokens = tokens_of(text)
    for i, (token, at) in enumerate(tokens[:-1]):
        if token not in CALLS or tokens[i + 1][0] != "(":
            continue
        arguments = arguments_of(tokens, i + 1)
        if "const" in arguments[0] or len(arguments) <= FORMAT_ARGUMENT:
            continue  # a declaration, or the macro itself
        levels = {LEVELS[t] for t in arguments[1] if t in LEVELS}
        for fmt in formats_of(arguments[FORMAT_ARGUMENT]):
            patterns = [pattern_of(fmt)]
            if not has_words(patterns[0]):
                patterns = [pattern_of(f) for f in written_to(tokens, i, arguments[-1][-1])]
            for pattern in patterns:
                if has_words(pattern):
                    yield levels, pattern, text.count("\n", 0, at) + 1


def rows_of(page):
    """pattern: levels, of each row whose first cell is code and whose second is a level."""
    rows = {}
    for line in page.read_text().splitlines():
        cells = [c.strip() for c in line.split("|")]
        if len(cells) >= 5 and set(cells[2].split(", ")) <= set(LEVELS.values()):
            rows[cells[1].strip("`").strip()] = set(cells[2].split(", "))
    return rows


def main():
    root = Path(sys.argv[1])
    sources = sorted(p for d in ("app", "lib") for p in (root / d).rglob("*.c"))
    lines = [(levels, pattern, f"{p.relative_to(root)}:{n}") for p in sources for levels, pattern, n in lines_of(p)]
    if "--list" in sys.argv:
        for levels, pattern, where in lines:
            print(", ".join(sorted(levels)), pattern, where, sep="\t")
        return 0
    if len(lines) < 50:
        print(f"only {len(lines)} lines found in app/ and lib/: this test no longer understands the source")
        return 1
    rows, used, bad = rows_of(root / "docs/operations.md"), set(), 0
    for levels, pattern, where in lines:
        fits = [r for r in rows if r == pattern or r.endswith("…") and pattern.startswith(r[:-1].rstrip())]
        row = max(fits, key=len, default=None)
        used.add(row)
        if row is None:
            print(f"{where}: docs/operations.md has no row for: {pattern}")
            bad += 1
        elif levels and not levels & rows[row]:
            print(f"{where}: {', '.join(levels)} it is, and docs/operations.md says {', '.join(rows[row])}: {pattern}")
            bad += 1
    for row in rows.keys() - used:
        print(f"docs/operations.md: gantry logs no such line: {row}")
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
