#!/usr/bin/env python3
"""Turn a captured terminal screen into an SVG.

    tmux capture-pane -e -p -t SESSION | assets/screenshot.py > assets/dashboard.svg

Reads text with SGR sequences, as `tmux capture-pane -e` prints it, on standard input. Needs only the standard library.
"""

import html
import re
import sys
import unicodedata

CELL_W, CELL_H, SIZE, MARGIN = 8.4, 17, 14, 12
GROUND, TEXT = "#16181d", "#d7dae0"
NAMED = ["#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0"]
BRIGHT = ["#7f848e", "#ff8891", "#b5e890", "#ffd98f", "#82c8ff", "#e299f5", "#76d9e6", "#ffffff"]
PLAIN = {"fg": None, "bg": None, "bold": False, "dim": False, "italic": False, "underline": False, "reverse": False}


def indexed(n):
    """The colour of the 256-colour palette."""
    if n < 8:
        return NAMED[n]
    if n < 16:
        return BRIGHT[n - 8]
    if n < 232:
        levels = [0, 95, 135, 175, 215, 255]
        n -= 16
        return "#%02x%02x%02x" % (levels[n // 36], levels[n // 6 % 6], levels[n % 6])
    grey = 8 + 10 * (n - 232)
    return "#%02x%02x%02x" % (grey, grey, grey)


def apply(style, codes):
    style = dict(style)
    codes = [int(code) if code else 0 for code in codes]
    while codes:
        code = codes.pop(0)
        if code == 0:
            style = dict(PLAIN)
        elif code in (1, 2, 3, 4, 7):
            style[{1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse"}[code]] = True
        elif code == 22:
            style["bold"] = style["dim"] = False
        elif code in (23, 24, 27):
            style[{23: "italic", 24: "underline", 27: "reverse"}[code]] = False
        elif code in (38, 48) and codes:
            target = "fg" if code == 38 else "bg"
            kind = codes.pop(0)
            if kind == 5 and codes:
                style[target] = indexed(codes.pop(0))
            elif kind == 2 and len(codes) >= 3:
                style[target] = "#%02x%02x%02x" % tuple(codes[:3])
                codes = codes[3:]
        elif code in (39, 49):
            style["fg" if code == 39 else "bg"] = None
        elif 30 <= code <= 37 or 40 <= code <= 47:
            style["fg" if code < 40 else "bg"] = NAMED[code % 10]
        elif 90 <= code <= 97 or 100 <= code <= 107:
            style["fg" if code < 100 else "bg"] = BRIGHT[code % 10]
    return style


def cells(line, style):
    """One (character, style, columns) per character, and the style in which the next line begins."""
    out = []
    for part in re.split(r"(\x1b\[[0-9;:]*m)", line):
        if part.startswith("\x1b["):
            style = apply(style, re.split("[;:]", part[2:-1]))
        else:
            for char in re.sub(r"\x1b[()][A-Z0-9]|[\x00-\x1f\x7f]", "", part):
                wide = unicodedata.east_asian_width(char) in "WF"
                out.append((char, style, 2 if wide else 1))
    return out, style


def runs(row):
    """Neighbouring cells of one style as (column, columns, text, style)."""
    column = 0
    current = None
    for char, style, columns in row:
        if current and current[3] == style:
            current = (current[0], current[1] + columns, current[2] + char, style)
        else:
            if current:
                yield current
            current = (column, columns, char, style)
        column += columns
    if current:
        yield current


def draw(rows):
    width = max((sum(columns for _, _, columns in row) for row in rows), default=80)
    w, h = width * CELL_W + 2 * MARGIN, len(rows) * CELL_H + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w:.0f}" height="{h:.0f}" viewBox="0 0 {w:.0f} {h:.0f}" '
        f'font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="{SIZE}">',
        f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>',
    ]
    for y, row in enumerate(rows):
        for column, columns, text, style in runs(row):
            fg, bg = style["fg"] or TEXT, style["bg"]
            if style["reverse"]:
                fg, bg = bg or GROUND, fg
            x, top = MARGIN + column * CELL_W, MARGIN + y * CELL_H
            if bg:
                out.append(f'<rect x="{x:.1f}" y="{top}" width="{columns * CELL_W:.1f}" height="{CELL_H}" fill="{bg}"/>')
            if not text.strip() and not style["underline"]:
                continue
            marks = ""
            if style["bold"]:
                marks += ' font-weight="bold"'
            if style["italic"]:
                marks += ' font-style="italic"'
            if style["underline"]:
                marks += ' text-decoration="underline"'
            if style["dim"]:
                marks += ' opacity="0.6"'
            out.append(
                f'<text x="{x:.1f}" y="{top + 13}" fill="{fg}"{marks} xml:space="preserve" '
                f'textLength="{columns * CELL_W:.1f}" lengthAdjust="spacingAndGlyphs">{html.escape(text)}</text>'
            )
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    style, rows = dict(PLAIN), []
    for line in sys.stdin.buffer.read().decode("utf-8", "replace").rstrip("\n").split("\n"):
        row, style = cells(line, style)
        rows.append(row)
    sys.stdout.write(draw(rows))


if __name__ == "__main__":
    main()
