# SPDX-License-Identifier: BSD-3-Clause
"""Nanoseconds a frame over connections as SVG, in plain text: lines told apart by colour (Okabe and Ito's, for the colour-blind),
dash and marker, each named at its end."""
import math

WIDTH, HEIGHT = 860, 500
LEFT, RIGHT, TOP, BOTTOM = 60, 190, 48, 56
FONT = 'font-family="Helvetica, Arial, sans-serif"'

# name, how it is found, colour, dashes, marker
LINES = [
    ("dr IPv4", ("hit", "dr", 4), "#0072B2", "", "circle"),
    ("dr IPv6", ("hit", "dr", 6), "#56B4E9", "8 3", "circle"),
    ("nat IPv4", ("hit", "nat", 4), "#009E73", "", "square"),
    ("snat IPv4", ("hit", "snat", 4), "#D55E00", "", "diamond"),
    ("tunnel IPv4", ("hit", "tunnel", 4), "#CC79A7", "", "triangle"),
    ("table alone", ("look-up", None, None), "#000000", "2 3", "circle"),
    ("rte_hash alone", ("rte_hash", None, None), "#7A7A7A", "2 3", "square"),
]


def series_of(core):
    """The lines' points (connections, ns) from `gantry bench`: the core alone; and the floor."""
    series = []
    for name, key, *style in LINES:
        found = [core.find(*key, n) for n in core.flows]
        points = [(r["flows"], r["ns"] - r["floor_ns"]) for r in found if r and "failed" not in r]
        if points:
            series.append((name, points, style))
    floors = [r for r in (core.find("hit", "dr", 4, n) for n in core.flows) if r and "failed" not in r]
    series.append(("floor", [(r["flows"], r["floor_ns"]) for r in floors], ["#E69F00", "6 3", "triangle"]))
    return series


def marker(kind, x, y, colour):
    shape = {"circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"',
             "square": f'<rect x="{x - 3.6:.1f}" y="{y - 3.6:.1f}" width="7.2" height="7.2"',
             "diamond": f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"',
             "triangle": f'<path d="M{x:.1f} {y - 5:.1f}l4.8 8.6h-9.6z"'}[kind]
    return f'{shape} fill="{colour}" stroke="#fff"/>'


def spread(labels, gap=15):
    """Moves labels (y, ...) apart, as little as it takes, and keeps their order."""
    labels = sorted(labels)
    ys = [l[0] for l in labels]
    for _ in range(200):
        for i in range(len(ys) - 1):
            overlap = gap - (ys[i + 1] - ys[i])
            if overlap > 0:
                ys[i] -= overlap / 2
                ys[i + 1] += overlap / 2
    return [(y, *l[1:]) for y, l in zip(ys, labels)]


def name_of(n):
    return f"{n // 1000000} M" if n >= 1000000 else f"{n // 1000} k" if n >= 1000 else str(n)


def draw(series):
    flows = sorted({x for _, points, _ in series for x, _ in points})
    top = max(y for _, points, _ in series for _, y in points)
    step = next(s for s in (5, 10, 20, 25, 50, 100, 200) if top / s <= 8)
    top = math.ceil(top / step) * step
    span = math.log10(flows[-1] / flows[0]) or 1

    def px(x):
        return LEFT + math.log10(x / flows[0]) / span * (WIDTH - LEFT - RIGHT)

    def py(y):
        return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
           "<title>Nanoseconds a frame over the number of connections</title>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           f'<text x="{LEFT}" y="26" {FONT} font-size="16" font-weight="bold" fill="#111">Packet core: nanoseconds a frame, '
           "hits in random order</text>"]
    for y in range(0, top + 1, step):
        out.append(f'<path d="M{LEFT} {py(y):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 8}" y="{py(y) + 4:.1f}" {FONT} font-size="12" fill="#333" text-anchor="end">{y}</text>')
    for x in flows:
        out.append(f'<path d="M{px(x):.1f} {HEIGHT - BOTTOM}v5" stroke="#333"/>'
                   f'<text x="{px(x):.1f}" y="{HEIGHT - BOTTOM + 20}" {FONT} font-size="12" fill="#333" text-anchor="middle">{name_of(x)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" {FONT} font-size="13" fill="#333" text-anchor="middle">'
               "established connections (logarithmic)</text>")
    labels = []
    for name, points, (colour, dash, kind) in series:
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.2"'
                   + (f' stroke-dasharray="{dash}"' if dash else "") + "/>")
        out += [marker(kind, px(x), py(y), colour) for x, y in points]
        labels.append((py(points[-1][1]), name, points[-1], colour, kind))
    for y, name, (x, value), colour, kind in spread(labels):
        end = WIDTH - RIGHT
        out.append(f'<path d="M{px(x) + 6:.1f} {py(value):.1f}L{end + 14} {y:.1f}" stroke="{colour}" stroke-width="1" fill="none"/>')
        out.append(marker(kind, end + 20, y, colour))
        out.append(f'<text x="{end + 30}" y="{y + 4:.1f}" {FONT} font-size="13" fill="#111">{name}: {value:.0f} ns</text>')
    return "\n".join(out + ["</svg>", ""])
