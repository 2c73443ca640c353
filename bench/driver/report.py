# SPDX-License-Identifier: MIT
"""One line a case, and all of it as JSON."""

from . import programs

NAMES = {"floor": "floor", "js": "JS", "py": "Python", "rust": "Rust", "ws": "node ws",
         "go": "Go"}


def sizes(arguments):
    """Who was given fewer streams than we were, and how many."""
    counts = {who: given.get("streams") for who, given in arguments.items()}
    return {who: count for who, count in counts.items() if count != counts["ours"]}


def broken(case, label, why):
    """The row of a case that could not be run at all."""
    return {"case": case.name, "variant": label, "errors": {"ours": why}, "figures": {},
            "ratios": {}, "targets": [], "show": case.show.name, "unit": case.show.unit,
            "ok": False, "line": f"{case.name:34} | MISSED: {why}"}


def judge(case, label, runs, errors, arguments):
    """A row: figures, ratios and targets of one variant."""
    metrics = [case.show, *case.also]
    metrics += [t.metric for t in case.targets if t.metric not in metrics]
    row = {"case": case.name, "variant": label, "errors": errors, "figures": {}, "ratios": {},
           "targets": [], "show": case.show.name, "unit": case.show.unit,
           "sizes": sizes(arguments)}
    for metric in metrics:
        row["figures"][metric.name] = {
            who: programs.figure(runs, who, metric) for who in runs}
        row["ratios"][metric.name] = {
            who: programs.ratio(runs, who, metric) for who in runs if who != "ours"}
    for target in case.targets:
        if target.against is None:
            found = row["figures"][target.metric.name]["ours"]
        else:
            found = row["ratios"][target.metric.name].get(target.against)
        if found is None and target.against not in (None, "floor") and "ours" not in errors:
            continue  # that peer is not here
        value = found["median"] if found else None
        row["targets"].append({
            "metric": target.metric.name, "unit": target.metric.unit, "against": target.against,
            "bound": target.text(), "value": value,
            "holds": value is not None and target.holds(value)})
    row["ok"] = "ours" not in errors and all(t["holds"] for t in row["targets"])
    wall = [r["wall_us"] for r in runs["ours"] if r is not None]
    row["wall_s"] = programs.median(wall) / 1e6 if wall else None
    return row


def number(found, digits):
    return "-" if found is None else f"{found['median']:,.{digits}f}"


def line(case, row):
    """name, ours, floor, peers, ratios, ok or MISSED"""
    name = case.name + (f" [{row['variant']}]" if row["variant"] else "")
    out = [f"{name:34}"]
    for metric in [case.show, *case.also]:
        figures, ratios = row["figures"][metric.name], row["ratios"][metric.name]
        ours = figures["ours"]
        spread = ""
        if ours is not None and metric is case.show:
            spread = f" ({ours['least']:.{metric.digits}f}..{ours['most']:.{metric.digits}f})"
        text = f"{metric.name} {number(ours, metric.digits)}{spread} {metric.unit}"
        for who, found in figures.items():
            if who != "ours" and found is not None:
                size = row["sizes"].get(who)
                text += f"; {NAMES[who]} " + (f"(with {size:,}) " if size else "")
                text += number(found, metric.digits)
                if ratios[who] is not None:
                    text += f" x{ratios[who]['median']:.3g}"
        out.append(text)
    missed = [f"{t['metric']}{' / ' + NAMES[t['against']] if t['against'] else ''} "
              f"{'-' if t['value'] is None else format(t['value'], '.3g')}, wanted {t['bound']}"
              for t in row["targets"] if not t["holds"]]
    out += [f"{NAMES[who]}: {why}" for who, why in row["errors"].items() if who != "ours"]
    if row["wall_s"] is not None:
        out.append(f"wall {row['wall_s']:.2f} s")
    if "ours" in row["errors"]:
        missed.append(row["errors"]["ours"])
    out.append("ok" if row["ok"] else "MISSED " + "; ".join(missed))
    return " | ".join(out)
