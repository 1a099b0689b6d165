"""Find what every path from a place crosses, whatever branches lie between."""

from collections.abc import Mapping, Sequence

from gradbook.diagnosis.places import Place


def crossed(states: Sequence[Place], after: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return for each place the next one that every path from it crosses, if all paths to it do.

    Between the two there may be branches, but no path leads around either of them: what changes
    from one to the other is the gradient of all.

    Examples:
        >>> before = {"h": (), "b": ("h",), "k": ("h", "b")}
        >>> block = [Place(name, 1.0, before=names) for name, names in before.items()]
        >>> crossed(block, {"h": ("b", "k"), "b": ("k",), "k": ()})
        {'h': 'k'}
    """
    names = [place.name for place in states]
    into = {place.name: place.before for place in states}
    first = _dominators(names, into)
    last = _dominators(names[::-1], after)
    found = {}
    for name in names:
        behind = last[name]
        above = behind
        while above and above != name:
            above = first[above]
        if behind and above == name:
            found[name] = behind
    return found


def _dominators(names: Sequence[str], into: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return for each place the nearest one that all paths to it cross; empty if there is none."""
    depth, found = {"": 0}, dict[str, str]()
    for name in names:
        ways = list(into[name]) or [""]
        common = ways[0]
        for way in ways[1:]:
            common = _meeting(common, way, found, depth)
        found[name], depth[name] = common, depth[common] + 1
    return found


def _meeting(one: str, other: str, above: Mapping[str, str], depth: Mapping[str, int]) -> str:
    """Go up from two places until the ways meet."""
    while one != other:
        if depth[one] >= depth[other]:
            one = above[one]
        else:
            other = above[other]
    return one
