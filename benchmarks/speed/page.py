"""One HTML page of a benchmark: charts as inline SVG, tables, checks; no script, nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.speed.figures import KINDS, shown, sorted_names
from benchmarks.speed.shapes import SHAPES

_STYLE = """
:root { color-scheme: light dark; --page: #f7f7f5; --card: #ffffff; --ink: #1d2329; --soft: #59636e; --line: #dcdfe3;
  --base: #76828f; --adapter: #0b7a6f; --worse: #b3541e; }
@media (prefers-color-scheme: dark) { :root { --page: #14181c; --card: #1c2127; --ink: #e6e9ec; --soft: #a2acb6;
  --line: #353d46; --base: #95a2b0; --adapter: #3cc7b4; --worse: #ee9a63; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 40px 20px 56px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; } h2 { font-size: 1.2rem; margin: 44px 0 12px; }
h3 { font-size: 1rem; margin: 0 0 8px; } p { margin: 0 0 12px; max-width: 50em; }
.about, figcaption, .note { color: var(--soft); font-size: .92rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 16px; }
.wide { overflow-x: auto; margin-top: 16px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: right; padding: 6px 0 6px 14px; border-bottom: 1px solid var(--line); font-weight: 400;
  white-space: nowrap; vertical-align: top; }
thead th { font-weight: 600; white-space: normal; } tr > :first-child { text-align: left; padding-left: 0; }
.words td { text-align: left; white-space: normal; } tr.ours td { font-weight: 600; }
svg { display: block; width: 100%; height: auto; color: var(--ink); } figcaption { margin-top: 8px; }
footer { margin-top: 44px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# Charts of a session: kind, unit it is shown in, digits, caption.
_CHARTS = (
    ("examples_per_cpu_second", 1.0, 2, "Examples per CPU-second, the first step left out. More is better."),
    ("peak_bytes", 2.0**20, 0, "Peak memory of the process, MiB. Less is better."),
    ("peak_over_model_bytes", 2.0**20, 0, "Peak memory over the loaded model, MiB. Less is better."),
    ("first_step_seconds", 1.0, 0, "Seconds by the clock from start to the end of the first step. Less is better."),
)
_COLUMNS = (
    ("examples_per_cpu_second", 1.0, 2, "examples a CPU-second"),
    ("supervised_per_cpu_second", 1.0, 0, "supervised tokens a CPU-second"),
    ("tokens_per_cpu_second", 1.0, 0, "row tokens a CPU-second"),
    ("examples_per_second", 1.0, 2, "examples a second by the clock"),
    ("peak_bytes", 2.0**20, 0, "peak, MiB"),
    ("peak_over_model_bytes", 2.0**20, 0, "peak over the loaded model, MiB"),
    ("first_step_seconds", 1.0, 0, "first step after, s"),
    ("whole_cpu_seconds", 1.0, 0, "whole run, CPU-s"),
    ("float32_share", 0.01, 0, "% of the float32 peak"),
    ("bfloat16_share", 0.01, 0, "% of the bfloat16 peak"),
)
_BAR, _GAP, _LEFT, _WIDTH = 22, 8, 130, 520


def render(told: Mapping[str, Any]) -> str:
    """The page as text.

    Args:
        told: from figures.of_folder.
    """
    machine = told["machine"]
    about = (
        f"{machine['date']}, {machine['processor']}, {machine['cpus']} processors, "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB, Python {machine['python']}."
    )
    body = "".join(_session(session, number) for number, session in enumerate(told["sessions"]))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>Training speed and memory</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>Training speed and memory</h1><p class="about">{escape(about)}</p>{_explained()}{body}'
        f"{_left_out(told)}{_versions(told)}"
        "<footer>Every raw value, with seeds and versions, stands in speed.json beside this page.</footer>"
        "</main></body></html>\n"
    )


def _explained() -> str:
    return (
        "<p>Everyone trains the same adapter on the same rows and the same base of random weights, one fresh process "
        "a run. In each round the order is shuffled; figures are medians over rounds with the least and the most "
        "behind them; ratios are taken within a round. A neutral hook on the optimizer's steps takes the times, the "
        "same for everyone. The share of the peak is the least arithmetic that an exact step needs, shared prefixes "
        "counted once, over what the machine does in one large matrix product in the same round.</p>"
    )


def _session(session: Mapping[str, Any], number: int) -> str:
    words, rows = session["session"], session["rows"]
    title = f"Shape {words['shape']}, base {words['base']}"
    about = (
        f"{SHAPES[words['shape']]}; {rows['num_rows']} rows, {rows['tokens'] / rows['num_rows']:.0f} tokens on "
        f"average, {rows['supervised'] / rows['tokens']:.0%} supervised; {words['num_steps']} steps of "
        f"{words['batch_size']} examples; {words['device']}, {words['threads']} thread(s)"
    )
    names = sorted_names(session)
    head = f'<h2 id="s{number}">{escape(title)}</h2><p>{escape(about)}.</p>'
    if not names:
        return f"{head}<p>Nobody came to a second step.</p>"
    charts = "".join(
        f'<figure class="card">{_bars(session, names, kind, unit, digits)}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for kind, unit, digits, caption in _CHARTS
    )
    return (
        f'{head}<div class="pair">{charts}{_losses(session)}</div>'
        f"{_table(session, names)}{_times_faster(session, names)}{_settings(session, names)}"
    )


def _bars(session: Mapping[str, Any], names: Sequence[str], kind: str, unit: float, digits: int) -> str:
    """Horizontal bars with a line from the least to the most."""
    values = {name: session["contenders"][name][kind] for name in names}
    most = max(value["max"] for value in values.values()) or 1
    height = len(names) * (_BAR + _GAP) + _GAP
    room = _WIDTH - _LEFT - 70
    drawn = []
    for place, (name, value) in enumerate(values.items()):
        top = _GAP + place * (_BAR + _GAP)
        middle = top + _BAR / 2
        width, least, far = (room * max(0, value[key]) / most for key in ("median", "min", "max"))
        colour = "var(--adapter)" if name.startswith("kit") else "var(--base)"
        drawn.append(
            f'<text x="{_LEFT - 8}" y="{middle + 4}" text-anchor="end" fill="currentColor">{escape(name)}</text>'
            f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>'
            f'<line x1="{_LEFT + least:.1f}" x2="{_LEFT + far:.1f}" y1="{middle}" y2="{middle}" '
            'stroke="currentColor" stroke-width="1.5"/>'
            f'<text x="{_LEFT + max(width, far) + 6:.1f}" y="{middle + 4}" fill="currentColor">'
            f"{value['median'] / unit:,.{digits}f}</text>"
        )
    what = f"{KINDS[kind][0]} {KINDS[kind][1]}, by contender"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(what, quote=True)}" font-size="12">'
        + "".join(drawn)
        + "</svg>"
    )


def _losses(session: Mapping[str, Any]) -> str:
    """The loss curves of all contenders, laid over each other: the first run of each."""
    curves = {name: facts["losses"][0] for name, facts in session["contenders"].items() if facts["losses"]}
    if not curves:
        return ""
    values = [loss for losses in curves.values() for loss in losses]
    low, high = min(values), max(values)
    high = high if high > low else low + 1
    steps = max(len(losses) for losses in curves.values())
    width, height, left, bottom = _WIDTH, 260, 44, 28

    def at(step: int, loss: float) -> str:
        x = left + (width - left - 10) * (step / max(1, steps - 1))
        return f"{x:.1f},{10 + (height - bottom - 14) * (high - loss) / (high - low):.1f}"

    lines = "".join(
        f'<polyline fill="none" points="{" ".join(at(k, loss) for k, loss in enumerate(losses))}" '
        f'stroke="{"var(--adapter)" if name.startswith("kit") else "var(--base)"}" '
        f'stroke-width="{2.4 if name.startswith("kit") else 1.4}"><title>{escape(name)}</title></polyline>'
        for name, losses in sorted(curves.items(), key=lambda item: item[0].startswith("kit"))
    )
    marks = "".join(
        f'<text x="{left - 6}" y="{float(at(0, loss).split(",")[1]) + 4:.1f}" text-anchor="end" '
        f'fill="currentColor">{loss:.2f}</text>'
        for loss in (low, high)
    )
    gap = session["loss_gap"]
    caption = (
        "Training loss by step, nats per supervised token; the kit in colour. Rows come in another order in each tool, "
        f"so single steps differ; the means over the run lie within {gap['widest']:.3f} of each other."
    )
    return (
        f'<figure class="card"><svg viewBox="0 0 {width} {height}" role="img" aria-label="loss by step" '
        'font-size="12">'
        f'<line x1="{left}" x2="{width - 10}" y1="{height - bottom}" y2="{height - bottom}" stroke="var(--line)"/>'
        f'{marks}{lines}<text x="{width - 10}" y="{height - 8}" text-anchor="end" fill="currentColor">'
        f"step {steps}</text>"
        f'<text x="{left}" y="{height - 8}" fill="currentColor">step 1</text></svg>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _table(session: Mapping[str, Any], names: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for *_, title in _COLUMNS)
    lines = []
    for name in names:
        facts = session["contenders"][name]
        cells = "".join(f"<td>{shown(facts[kind], digits, unit)}</td>" for kind, unit, digits, _ in _COLUMNS)
        same = {True: "yes", False: "no", None: "untold"}[facts["same_work"]["same"]]
        ours = ' class="ours"' if name.startswith("kit") else ""
        lines.append(f"<tr{ours}><td>{escape(name)}</td><td>{facts['rounds']}</td>{cells}<td>{same}</td></tr>")
    return (
        f'<div class="wide card"><table><thead><tr><th></th><th>rounds</th>{head}<th>same rows, tokens and labels</th>'
        f"</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _times_faster(session: Mapping[str, Any], names: Sequence[str]) -> str:
    ours = session["ratios"].get("kit")
    if not ours:
        return ""
    lines = "".join(
        f"<tr><td>{escape(other)}</td><td>{shown(ours[other]['examples_per_cpu_second'], 1)}</td>"
        f"<td>{shown(ours[other]['peak_bytes'], 2)}</td><td>{shown(ours[other]['peak_over_model_bytes'], 2)}</td>"
        f"<td>{shown(ours[other]['first_step_seconds'], 2)}</td></tr>"
        for other in names
        if other in ours
    )
    return (
        '<div class="wide card"><table><thead><tr><th>the kit beside</th><th>times as many examples a CPU-second</th>'
        "<th>part of its peak memory</th><th>part of its peak over the model</th><th>part of its time to the first step"
        f"</th></tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _settings(session: Mapping[str, Any], names: Sequence[str]) -> str:
    lines = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(session['contenders'][name]['about'])}</td></tr>" for name in names
    )
    return f'<div class="wide card words"><table><tbody>{lines}</tbody></table></div>'


def _left_out(told: Mapping[str, Any]) -> str:
    lines = [
        f"shape {shape}: {name}: {why}" for shape, reasons in told["absent"].items() for name, why in reasons.items()
    ]
    lines += [
        f"{entry['contender']}, round {entry['round'] + 1}: failed, {entry['failed']}" for entry in told["failures"]
    ]
    if not lines:
        return ""
    return "<h2>Left out</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _versions(told: Mapping[str, Any]) -> str:
    lines = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(', '.join(f'{k} {v}' for k, v in versions.items()))}</td></tr>"
        for name, versions in told["versions"].items()
    )
    return f'<h2>Versions</h2><div class="wide card words"><table><tbody>{lines}</tbody></table></div>'
