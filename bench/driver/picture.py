# SPDX-License-Identifier: MIT
"""The picture: for each case, the cost of everybody in multiples of the floor, on a log scale."""

import math
from xml.sax.saxutils import escape

COLORS = {"ours": "#0b6e4f", "floor": "#9aa5b1", "rust": "#b7410e", "py": "#3572a5", "js": "#c9a800",
          "ws": "#7a9a3a", "go": "#00a0c0"}
LABELS = {"ours": "libe2b", "floor": "bare parts (1.0)", "rust": "Rust, reqwest", "py": "Python e2b",
          "js": "JavaScript e2b", "ws": "Node, ws", "go": "Go, gorilla"}
ROW, LEFT, WIDTH, TOP = 22, 270, 560, 64


def costs(row):
    """Everybody's figure as a multiple of the floor's, more being worse."""
    figures = row["figures"][row["show"]]
    floor = figures.get("floor")
    if floor is None or floor["median"] <= 0:
        return {}
    more_is_better = row["unit"].startswith("MB/")
    found = {}
    for who, figure in figures.items():
        if figure is not None and figure["median"] > 0:
            multiple = figure["median"] / floor["median"]
            found[who] = 1 / multiple if more_is_better else multiple
    return found


def draw(rows, machine, date):
    rows = [(row, costs(row)) for row in rows]
    rows = [(row, found) for row, found in rows if found]
    most = max([max(found.values()) for _, found in rows] + [10])
    decades = math.ceil(math.log10(most))

    def x(multiple):
        low = -0.25
        return LEFT + WIDTH * (math.log10(max(multiple, 10**low)) - low) / (decades - low)

    height = TOP + ROW * len(rows) + 46
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" '
           f'height="{height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           '<text x="12" y="22" font-size="15" font-weight="bold">What an operation costs: CPU time '
           'in multiples of the bare parts</text>']
    at = 12
    for who, label in LABELS.items():
        out.append(f'<circle cx="{at + 5}" cy="42" r="5" fill="{COLORS[who]}"/>'
                   f'<text x="{at + 15}" y="46">{label}</text>')
        at += 32 + 7 * len(label)
    for decade in range(decades + 1):
        line_x = x(10**decade)
        out.append(f'<line x1="{line_x:.0f}" x2="{line_x:.0f}" y1="{TOP - 8}" '
                   f'y2="{height - 40}" stroke="#dddddd"/><text x="{line_x:.0f}" '
                   f'y="{height - 26}" text-anchor="middle" fill="#555555">{10**decade}x</text>')
    for index, (row, found) in enumerate(rows):
        y = TOP + ROW * index + 6
        name = row["case"] + (f" [{row['variant']}]" if row["variant"] else "")
        out.append(f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        ends = sorted(x(v) for v in found.values())
        out.append(f'<line x1="{ends[0]:.1f}" x2="{ends[-1]:.1f}" y1="{y}" y2="{y}" '
                   'stroke="#cccccc"/>')
        for who in ("floor", "js", "py", "rust", "ws", "go", "ours"):
            if who in found:
                out.append(f'<circle cx="{x(found[who]):.1f}" cy="{y}" r="5" fill="{COLORS[who]}">'
                           f'<title>{LABELS[who]}: {found[who]:.2f}x</title></circle>')
    out.append(f'<text x="12" y="{height - 8}" fill="#555555" font-size="11">'
               f'{escape(machine)}, {escape(date)}. Further left is cheaper.</text></svg>')
    return "\n".join(out) + "\n"
