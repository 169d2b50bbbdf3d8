"""Two runs of scripts/bench beside each other."""
import json, sys

LEAST = 0.05    # Of a figure: less is no difference, whatever the spread.
UNKNOWN = 0.25  # The same where one of the two runs has a single sample, and so no spread.


def load(path):
    """The JSON of a run; or exits with what is wrong with it."""
    try:
        with open(path) as file:
            run = json.load(file)
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    except ValueError as error:
        sys.exit(f"{path}: not JSON: {error}")
    if not isinstance(run, dict) or not isinstance(run.get("figures"), list) or not isinstance(run.get("machine"), dict):
        sys.exit(f"{path}: not the JSON of scripts/bench --json")
    return run


def _points(run):
    """Name -> what is compared: middle, spread, how many samples, what is better, whether it is a ratio."""
    points = {}
    for figure in run["figures"]:
        name, better = f"{figure['section']}: {figure['figure']}", figure.get("better", "more")
        if "ratio" in figure:
            points[name] = (figure["ratio"], figure["least"], figure["most"], len(figure["pairs"]), better, True)
        elif "points" in figure:
            for at in figure["points"]:
                points[f"{name}, {figure['x_name']} {at['x']:,}"] = (at["median"], at["least"], at["most"], 2, better, figure["unit"] == "ratio")
        else:
            points[f"{name}, {figure['unit']}"] = (figure["median"], figure["least"], figure["most"], figure["samples"], better, False)
    return points


def same_machine(old, new):
    return all(old["machine"].get(key) == new["machine"].get(key) for key in ("cpu", "cores", "memory_gb"))


def compare(old, new):
    """Prints what became worse or better; True where nothing became worse."""
    only_ratios = not same_machine(old, new)
    if only_ratios:
        print(f"# the other run is of another machine ({old['machine'].get('cpu')}, {old['machine'].get('cores')} cores): only ratios are compared")
    was, now = _points(old), _points(new)
    shared = [name for name in now if name in was and (now[name][5] or not only_ratios)]
    worse = better_count = 0
    for name in shared:
        (a, a_least, a_most, a_count, better, _), (b, b_least, b_most, b_count, _, _) = was[name], now[name]
        if a == 0:
            continue
        spread = max(a_most - a_least, b_most - b_least) / 2
        tolerance = max(abs(a) * (LEAST if min(a_count, b_count) > 1 else UNKNOWN), spread)
        change = (b - a) * (1 if better == "more" else -1)
        if abs(change) <= tolerance:
            continue
        worse += change < 0
        better_count += change > 0
        print(f"{'WORSE ' if change < 0 else 'better'} {name}: {a:.4g} -> {b:.4g} ({(b - a) / a:+.0%}; tolerance {tolerance / abs(a):.0%})")
    print(f"# {len(shared)} figures compared: {worse} worse, {better_count} better, the others within their spread")
    if missing := [name for name in was if name not in now and name.split(":")[0] in {each.split(":")[0] for each in now}]:
        print("# not in this run: " + "; ".join(missing))
    return worse == 0
