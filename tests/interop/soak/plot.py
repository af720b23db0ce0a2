"""Draws what a soak has measured: memory and descriptors of each server over time.

Invariant: a colour is a class; the style sheet sets it for light and for dark.
"""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, GAP = 860, 210, 70, 160, 40, 60
COLOURS = [("#0969da", "#58a6ff"), ("#1a7f37", "#3fb950"), ("#c8641b", "#db8a45"),
           ("#8250df", "#a371f7"), ("#bf3989", "#db61a2"), ("#59636e", "#9da7b3")]
STYLE = """
  text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .head { font-size: 14px; font-weight: 600 }
  .paper { fill: #ffffff } .grid { stroke: #d0d7de }
  .curve { fill: none; stroke-width: 1.5 }
%s  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .paper { fill: #0d1117 } .grid { stroke: #30363d }
%s  }
"""


def step(most):
    """The distance of the lines of a grid, of which there are at most five."""
    size = 1
    while size * 5 < most:
        size = size * 2 if str(size)[0] != "2" else size * 5 // 2
    return size


def panel(top, title, series, minutes):
    """A grid, and a curve for each series: (class, points)."""
    most = max(value for _, points in series for _, value in points) or 1
    grid = step(most)
    most = grid * -(-most // grid)
    x = lambda seconds: LEFT + seconds / (minutes * 60) * (WIDTH - LEFT - RIGHT)  # noqa: E731
    y = lambda value: top + HEIGHT - value / most * HEIGHT  # noqa: E731
    parts = ['<text class="head" x="%d" y="%d">%s</text>' % (LEFT, top - 12, title)]
    for i in range(int(most // grid) + 1):
        parts.append('<path class="grid" d="M%d %.1f H%d"/>' % (LEFT, y(i * grid), WIDTH - RIGHT))
        parts.append('<text x="%d" y="%.1f" text-anchor="end">%d</text>' % (LEFT - 8, y(i * grid) + 4, i * grid))
    for i in range(5):
        seconds = minutes * 15 * i
        parts.append('<text x="%.1f" y="%d" text-anchor="middle">%g min</text>'
                     % (x(seconds), top + HEIGHT + 18, seconds / 60))
    for name, points in series:
        path = " ".join("%.1f,%.1f" % (x(seconds), y(value)) for seconds, value in points)
        parts.append('<polyline class="curve %s" points="%s"/>' % (name, path))
    return parts


def thinned(samples, index, scale):
    """At most 400 points, each the largest of its neighbours."""
    size = max(1, len(samples) // 400)
    groups = [samples[i:i + size] for i in range(0, len(samples), size)]
    return [(group[0][0], max(sample[index] for sample in group) / scale) for group in groups]


def draw(watched, minutes):
    height = TOP + 2 * (HEIGHT + GAP)
    light, dark = ("".join("  .c%d { %s: %s }\n" % (i, "stroke", pair[which])
                           for i, pair in enumerate(COLOURS)) for which in (0, 1))
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">'
             % (WIDTH, height, WIDTH, height),
             "<title>Memory and descriptors of the echo servers under load</title>",
             "<style>%s</style>" % (STYLE % (light, dark)),
             '<rect class="paper" width="%d" height="%d"/>' % (WIDTH, height)]
    for top, title, index, scale in ((TOP, "resident memory, MiB", 1, 1 << 20),
                                     (TOP + HEIGHT + GAP, "open descriptors", 2, 1)):
        series = [("c%d" % i, thinned(server.samples, index, scale)) for i, server in enumerate(watched)]
        parts += panel(top, title, series, minutes)
    for i, server in enumerate(watched):
        y = TOP + 10 + 20 * i
        parts.append('<path class="curve c%d" d="M%d %d h24"/>' % (i, WIDTH - RIGHT + 16, y))
        parts.append('<text x="%d" y="%d">%s</text>' % (WIDTH - RIGHT + 48, y + 4, server.name))
    return "\n".join(parts + ["</svg>", ""])
