#!/usr/bin/env python3
"""Draws docs/states.svg and docs/bytes.svg. Needs Python 3 and nothing else.

    docs/draw.py            # writes both beside this file
    docs/draw.py --check    # exit status 1 if a file is not what this would write

A colour is a class; the style sheet in each picture sets it for light and for dark.
"""

import pathlib
import sys
from xml.sax.saxutils import escape

STYLE = """
  text { font: 14px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
  .small { font-size: 12px; fill: #59636e }
  .head { font-weight: 600 }
  .paper { fill: #ffffff }
  .box { fill: #f6f8fa; stroke: #818b98; stroke-width: 1.2 }
  .http { fill: #fff8e0; stroke: #b08800 }
  .open { fill: #e6f6e8; stroke: #2da44e }
  .closing { fill: #fdeee2; stroke: #c8641b }
  .done { fill: #eceef1; stroke: #59636e }
  .line { fill: none; stroke: #59636e; stroke-width: 1.4 }
  .in { fill: none; stroke: #0969da; stroke-width: 2 }
  .out { fill: none; stroke: #1a7f37; stroke-width: 2 }
  .tip { fill: #59636e } .tip-in { fill: #0969da } .tip-out { fill: #1a7f37 }
  .dash { stroke-dasharray: 5 4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9da7b3 }
    .paper { fill: #0d1117 }
    .box { fill: #161b22; stroke: #6e7681 }
    .http { fill: #2b2408; stroke: #bb8009 }
    .open { fill: #0e2a16; stroke: #3fb950 }
    .closing { fill: #331c0a; stroke: #db8a45 }
    .done { fill: #21262d; stroke: #9da7b3 }
    .line { stroke: #9da7b3 } .in { stroke: #58a6ff } .out { stroke: #3fb950 }
    .tip { fill: #9da7b3 } .tip-in { fill: #58a6ff } .tip-out { fill: #3fb950 }
  }
"""


class Picture:
    def __init__(self, width, height, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            "<defs>",
        ]
        for name in ("tip", "tip-in", "tip-out"):
            self.parts.append(
                f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" '
                f'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
                f'<path class="{name}" d="M0 0 10 5 0 10z"/></marker>'
            )
        self.parts.append("</defs>")
        self.parts.append(f'<rect class="paper" width="{width}" height="{height}"/>')

    def text(self, x, y, text, style="", anchor="start"):
        self.parts.append(
            f'<text class="{style}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def box(self, x, y, width, height, lines, style=""):
        """A box with centred lines, each a text or a text and its style."""
        self.parts.append(
            f'<rect class="box {style}" x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>'
        )
        top = y + height / 2 - (len(lines) - 1) * 9 + 5
        for i, line in enumerate(lines):
            text, kind = line if isinstance(line, tuple) else (line, "")
            self.text(x + width / 2, top + 18 * i, text, kind, "middle")

    def arrow(self, points, style="line", dashed=False):
        tip = {"line": "tip", "in": "tip-in", "out": "tip-out"}[style]
        path = "M" + " L".join(f"{x} {y}" for x, y in points)
        dash = " dash" if dashed else ""
        self.parts.append(f'<path class="{style}{dash}" d="{path}" marker-end="url(#{tip})"/>')

    def rule(self, x1, y, x2):
        self.parts.append(f'<path class="line dash" d="M{x1} {y} H{x2}"/>')

    def finish(self):
        return "\n".join(self.parts + ["</svg>", ""])


def states():
    p = Picture(880, 640, "The states of an endpoint, from its start to Tick::Done")
    # Starts.
    p.text(130, 28, "Endpoint::server", "code", "middle")
    p.text(470, 28, "Endpoint::client", "code", "middle")
    p.text(680, 28, "Endpoint::open", "code", "middle")
    p.arrow([(130, 36), (130, 58)])
    p.arrow([(470, 36), (470, 58)])
    p.arrow([(680, 36), (680, 266), (568, 266)])
    p.box(40, 60, 180, 52, [("Request", "head"), ("the head arrives", "small")], "http")
    p.box(380, 60, 180, 52, [("Response", "head"), ("the answer arrives", "small")], "http")
    p.arrow([(130, 112), (130, 164)])
    p.text(138, 134, "Event::Request", "code")
    p.text(138, 152, "Event::Http", "code")
    p.box(40, 166, 180, 52, [("Deciding", "head"), ("no deadline runs", "small")], "http")
    p.text(862, 221, "HTTP: statuses", "small", "end")
    p.rule(240, 229, 862)
    p.text(862, 246, "WebSocket: close codes", "small", "end")
    # Open.
    p.box(380, 240, 186, 52, [("Open", "head"), ("messages, Ping, Pong", "small")], "open")
    p.arrow([(220, 192), (330, 192), (330, 266), (378, 266)])
    p.text(278, 186, "accept", "code")
    p.arrow([(470, 112), (470, 238)])
    p.text(478, 160, "Event::Opened", "code")
    # Closing.
    p.arrow([(420, 292), (420, 428)])
    p.text(412, 334, "close()", "code", "end")
    p.text(412, 352, "Event::Failed", "code", "end")
    p.text(412, 370, "no life, no message", "small", "end")
    p.arrow([(530, 292), (530, 322), (640, 322), (640, 346)])
    p.text(648, 322, "Event::Close", "code")
    p.arrow([(476, 292), (476, 428)])
    p.text(484, 354, "Event::Close,", "code")
    p.text(484, 372, "answered", "small")
    p.text(484, 388, "at once", "small")
    p.box(
        600, 348, 220, 52,
        [("Answering", "head"), ("only if answer_close is off", "small")], "closing",
    )
    p.arrow([(690, 400), (690, 456), (568, 456)])
    p.text(698, 436, "close()", "code")
    p.box(
        380, 430, 186, 52,
        [("Closing", "head"), ("our Close is in out", "small")], "closing",
    )
    # Without a connection.
    p.box(
        40, 430, 200, 52,
        [("Over", "head"), ("the response is in out", "small")], "closing",
    )
    p.arrow([(130, 218), (130, 428)])
    p.text(138, 300, "respond,", "code")
    p.text(138, 318, "or the default", "small")
    p.text(138, 334, "answer", "small")
    p.arrow([(40, 86), (22, 86), (22, 456), (38, 456)])
    p.text(30, 300, "too long, or", "small")
    p.text(30, 316, "no HTTP/1.x", "small")
    p.arrow([(380, 86), (264, 86), (264, 602), (348, 602)], dashed=True)
    p.text(374, 80, "Event::Refused", "code", "end")
    # The end.
    p.box(
        320, 512, 300, 42,
        [("Tick::ShutDown", "code"), ("once out is empty; a client waits for the server", "small")],
        "done",
    )
    p.arrow([(470, 482), (470, 510)])
    p.arrow([(140, 482), (140, 533), (318, 533)])
    p.arrow([(470, 554), (470, 578)])
    p.box(
        350, 580, 420, 44,
        [("Tick::Done(End)", "code"), ("Closed, Responded, Refused, Failed, Expired", "small")],
        "done",
    )
    p.arrow([(840, 560), (840, 602), (772, 602)], dashed=True)
    p.text(862, 536, "from any state: the transport", "small", "end")
    p.text(862, 552, "has ended, or a time is over", "small", "end")
    return p.finish()


def way():
    p = Picture(900, 570, "The way of a byte in and out through the rooms of the crate")
    p.text(150, 28, "in: what the peer sent", "head", "middle")
    p.text(750, 28, "out: what is to be written", "head", "middle")
    p.box(40, 44, 220, 44, [("transport: read", "head"), ("your buffer, &mut [u8]", "small")])
    p.box(640, 44, 220, 44, [("transport: write", "head"), ("your buffer, out: BytesMut", "small")])
    rows = [
        (110, "endpoint", "which machine gets it; notes life, messages and Pongs",
         "tick: Ping, Close or 408, as time says", ""),
        (174, "time", "a byte is a sign of life; a message, a Pong",
         "wrote, flushed: the time of what has left starts", ""),
        (238, "handshake", "a head, bounded, read once; rules of RFC 6455, section 4",
         "request, 101, or a refusal", "http"),
        (302, "connection", "rules of frames; delivery: complete, in place, pieces",
         "messages, pieces, answers to Ping and Close", "open"),
        (366, "deflate", "inflates at most 32 KiB a step, judged each time",
         "compresses, where agreed, worth it and allowed", "open"),
        (430, "frame", "header, byte by byte; unmasks where the payload lies",
         "header in the shortest form; masks a client's payload", "open"),
    ]
    for y, room, _, _, style in rows:
        p.box(300, y, 300, 46, [(room + "/", "head")], style)
    # The way in, on the left.
    p.arrow([(60, 88), (60, 506)], "in")
    for y, _, into, _, _ in rows:
        lines = wrap(into, 34)
        for i, line in enumerate(lines):
            p.text(78, y + 24 - 8 * (len(lines) - 1) + 16 * i, line, "small")
        p.arrow([(60, y + 40), (298, y + 40)], "in")
    # The way out, on the right.
    p.arrow([(840, 506), (840, 90)], "out")
    for y, _, _, out, _ in rows:
        lines = wrap(out, 34)
        for i, line in enumerate(lines):
            p.text(822, y + 24 - 8 * (len(lines) - 1) + 16 * i, line, "small", "end")
        p.arrow([(602, y + 40), (838, y + 40)], "out")
    p.box(
        40, 508, 400, 46,
        [("Event", "code"), ("borrows your buffer, or owns what was gathered", "small")], "done",
    )
    p.box(
        460, 508, 400, 46,
        [("accept, respond, send, send_piece, close", "code"), ("append to out, or change nothing", "small")],
        "done",
    )
    p.arrow([(440, 531), (458, 531)])
    return p.finish()


def wrap(text, width):
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width and lines[-1]:
            lines.append("")
        lines[-1] = (lines[-1] + " " + word).strip()
    return lines


def main():
    here = pathlib.Path(__file__).parent
    differs = False
    for name, text in (("states.svg", states()), ("bytes.svg", way())):
        if "--check" in sys.argv[1:]:
            if (here / name).read_text(encoding="utf-8") != text:
                print(f"docs/{name} is not what docs/draw.py writes; run it", file=sys.stderr)
                differs = True
        else:
            (here / name).write_text(text, encoding="utf-8")
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
