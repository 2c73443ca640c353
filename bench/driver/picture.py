# SPDX-License-Identifier: MIT
"""The picture: for each case, what everybody else costs in multiples of ours, on a log scale."""

import math
from xml.sax.saxutils import escape

COLORS = {"ours": "#0b6e4f", "floor": "#9aa5b1", "rust": "#b7410e", "py": "#3572a5",
          "js": "#c9a800", "ws": "#8e5bb5", "go": "#00a0c0"}
LABELS = {"ours": "libe2b (1x)", "floor": "its bare parts", "rust": "Rust, reqwest",
          "py": "Python e2b", "js": "JavaScript e2b", "ws": "Node, ws", "go": "Go, gorilla"}
MEMORY = "memory a stream"
ROW, LEFT, WIDTH, RIGHT, TOP = 22, 250, 560, 130, 92
LOWEST = -0.85  # power of ten at the left edge


def multiples(row, metric, unit):
    """Everybody's figure as a multiple of ours, more being worse; {} where nobody else is."""
    figures = {who: figure["median"] for who, figure in row["figures"].get(metric, {}).items()
               if figure is not None and figure["median"] > 0}
    if "ours" not in figures or len(figures) < 2:
        return {}
    ours = figures["ours"]
    more_is_better = unit.startswith("MB/")
    return {who: ours / value if more_is_better else value / ours for who, value in figures.items()}


def lines_of(rows):
    """(name, multiples, our figure) of each line: a case's cost, and what a stream holds."""
    for row in rows:
        name = row["case"] + (f" [{row['variant']}]" if row["variant"] else "")
        for metric, unit in ((row["show"], row["unit"]), (MEMORY, "KB")):
            found = multiples(row, metric, unit)
            if found and not (metric == MEMORY and "paced" in row["variant"]):
                ours = row["figures"][metric]["ours"]["median"]
                label = name if metric == row["show"] == "CPU" else f"{name}, " + (
                    "memory" if metric == MEMORY else metric.split()[0])
                digits = 0 if ours >= 100 else 1
                yield label, found, f"{ours:,.{digits}f} {unit.replace('CPU s', 's')}"


def remarks_of(rows):
    """Of the cases that stand beside nobody."""
    for row in rows:
        if not multiples(row, row["show"], row["unit"]):
            name = row["case"] + (f" [{row['variant']}]" if row["variant"] else "")
            found = [f"{t['metric']} {t['value']:.3g}" for t in row["targets"] if t["value"]]
            ours = row["figures"].get(row["show"], {}).get("ours")
            if not found and ours is not None:
                found = [f"{ours['median']:,.0f} {row['unit']}"]
            yield f"{name}: {', '.join(found) or 'no figure'}"


def draw(rows, machine, date, quick=False):
    lines = list(lines_of(rows))
    remarks = list(remarks_of(rows))
    most = max([max(found.values()) for _, found, _ in lines] + [10])
    decades = math.ceil(math.log10(most))

    def x(multiple):
        power = max(math.log10(multiple), LOWEST)
        return LEFT + WIDTH * (power - LOWEST) / (decades - LOWEST)

    bottom = TOP + ROW * len(lines) + 40
    height = bottom + 16 * len(remarks)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" '
           f'height="{height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           '<text x="12" y="24" font-size="16" font-weight="bold">What the others cost, in '
           'multiples of libe2b</text>',
           f'<text x="12" y="42" fill="#555555">CPU time of the client\'s process unless named '
           f'otherwise; further right costs more. {escape(machine)}, {escape(date)}'
           f'{", a quick run" if quick else ""}.</text>']
    at = 12
    for who, label in LABELS.items():
        out.append(f'<circle cx="{at + 5}" cy="60" r="5" fill="{COLORS[who]}"/>'
                   f'<text x="{at + 15}" y="64">{label}</text>')
        at += 34 + 7 * len(label)
    out.append(f'<text x="{LEFT + WIDTH + RIGHT - 12}" y="{TOP - 8}" text-anchor="end" '
               f'fill="{COLORS["ours"]}" font-weight="bold">libe2b</text>')
    for decade in range(decades + 1):
        line_x = x(10**decade)
        color, width = (COLORS["ours"], 2) if decade == 0 else ("#dddddd", 1)
        out.append(f'<line x1="{line_x:.0f}" x2="{line_x:.0f}" y1="{TOP - 4}" y2="{bottom - 30}" '
                   f'stroke="{color}" stroke-width="{width}"/><text x="{line_x:.0f}" '
                   f'y="{bottom - 14}" text-anchor="middle" fill="#555555">{10**decade:,}x</text>')
    for index, (label, found, ours) in enumerate(lines):
        out += line(label, found, ours, TOP + ROW * index + 10, x)
    for index, remark in enumerate(remarks):
        out.append(f'<text x="12" y="{bottom + 16 * index + 4}" fill="#555555" font-size="11">'
                   f'{escape(remark)}</text>')
    return "\n".join(out) + "\n</svg>\n"


def line(label, found, ours, y, x):
    ends = sorted(x(value) for value in found.values())
    out = [f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(label)}</text>',
           f'<line x1="{ends[0]:.1f}" x2="{ends[-1]:.1f}" y1="{y}" y2="{y}" stroke="#cccccc"/>',
           f'<text x="{LEFT + WIDTH + RIGHT - 12}" y="{y + 4}" text-anchor="end" '
           f'fill="{COLORS["ours"]}">{escape(ours)}</text>']
    for who in ("floor", "js", "py", "rust", "ws", "go", "ours"):
        if who in found:
            out.append(f'<circle cx="{x(found[who]):.1f}" cy="{y}" r="5" fill="{COLORS[who]}">'
                       f'<title>{LABELS[who]}: {found[who]:.2f}x</title></circle>')
    return out
