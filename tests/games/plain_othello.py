"""Othello and its features in the plainest Python: the reference that the package is checked against.

It shares no code with the package. A board is a dict from (row, column) to "B" or "W", and every feature is written
from its definition.
"""

from functools import cache

DIRECTIONS = {
    "north": (-1, 0),
    "north-east": (-1, 1),
    "east": (0, 1),
    "south-east": (1, 1),
    "south": (1, 0),
    "south-west": (1, -1),
    "west": (0, -1),
    "north-west": (-1, -1),
}
LINES = ("north", "north-east", "east", "south-east")
OTHER = {"B": "W", "W": "B"}


def name(square):
    return "abcdefgh"[square[1]] + str(square[0] + 1)


def square_of(text):
    return int(text[1]) - 1, "abcdefgh".index(text[0])


@cache
def squares(size):
    return [(row, column) for row in range(size) for column in range(size)]


def step(square, direction, k=1):
    return square[0] + k * DIRECTIONS[direction][0], square[1] + k * DIRECTIONS[direction][1]


def start(size):
    h = size // 2
    return {(h - 1, h - 1): "W", (h - 1, h): "B", (h, h - 1): "B", (h, h): "W"}


def captured(board, player, square, direction):
    """Discs turned over in one direction if `player` puts a disc on `square`."""
    run, at = [], step(square, direction)
    while board.get(at) == OTHER[player]:
        run.append(at)
        at = step(at, direction)
    return run if board.get(at) == player else []


def all_captured(board, player, square):
    return [s for direction in DIRECTIONS for s in captured(board, player, square, direction)]


def moves(board, player, size):
    return [s for s in squares(size) if s not in board and all_captured(board, player, s)]


class Position:
    """A board after a move, with who is to move and how it came about."""

    def __init__(self, size):
        self.size, self.board, self.player, self.ply = size, start(size), "B", 0
        self.last = self.mover = None
        self.flipped, self.passed, self.ever_passed, self.over = [], False, False, False
        self.directions = []

    def after(self, square):
        assert square in moves(self.board, self.player, self.size), (self.ply, name(square))
        new = Position(self.size)
        new.ply, new.mover, new.last = self.ply + 1, self.player, square
        new.flipped = all_captured(self.board, self.player, square)
        new.directions = [d for d in DIRECTIONS if captured(self.board, self.player, square, d)]
        new.board = {**self.board, square: self.player, **dict.fromkeys(new.flipped, self.player)}
        new.player = OTHER[self.player]
        new.ever_passed = self.ever_passed
        if not moves(new.board, new.player, self.size):
            if moves(new.board, self.player, self.size):
                new.player, new.passed, new.ever_passed = self.player, True, True
            else:
                new.over = True
        return new


def play(size, game):
    """Positions after each move of a game given as square names."""
    found, position = [], Position(size)
    for move in game:
        position = position.after(square_of(move))
        found.append(position)
    return found


@cache
def whole_line(size, square, line):
    """All squares of the line through a square."""
    back = {"north": "south", "north-east": "south-west", "east": "west", "south-east": "north-west"}[line]
    on = set(squares(size))
    found = [square]
    for direction in (line, back):
        k = 1
        while step(square, direction, k) in on:
            found.append(step(square, direction, k))
            k += 1
    return found


def stable(board, size, player):
    """Smallest set: along each line, the line is filled, or a neighbour is off the board or a stable own disc."""
    opposite = {"north": "south", "north-east": "south-west", "east": "west", "south-east": "north-west"}
    on, found = set(squares(size)), set()
    while True:
        more = set()
        for square, disc in board.items():
            if disc != player or square in found:
                continue
            safe = True
            for line in LINES:
                filled = all(s in board for s in whole_line(size, square, line))
                sides = [step(square, line), step(square, opposite[line])]
                safe = safe and (filled or any(s not in on or s in found for s in sides))
            if safe:
                more.add(square)
        if not more:
            return found
        found |= more


@cache
def neighbours(size, square):
    on = set(squares(size))
    return [s for s in (step(square, d) for d in DIRECTIONS) if s in on]


def features(position, lengths=False):
    """Names of all features that hold."""
    size, board, me = position.size, position.board, position.player
    you = OTHER[me]
    on = squares(size)
    last = size - 1
    corners = [(0, 0), (0, last), (last, 0), (last, last)]
    sides = {"mine": me, "yours": you}
    held = set()
    legal = {me: moves(board, me, size), you: moves(board, you, size)}
    empty = [s for s in on if s not in board]
    for s in on:
        if s not in board:
            held.add(f"{name(s)} empty")
            continue
        held.add(f"{name(s)} occupied")
        held.add(f"{'mine' if board[s] == me else 'yours'} on {name(s)}")
        held.add(f"{'black' if board[s] == 'B' else 'white'} on {name(s)}")
    held.add(f"played {name(position.last)}")
    held |= {f"flipped {name(s)}" for s in position.flipped}
    held |= {f"legal move at {name(s)}" for s in legal[me]} | {f"opponent move at {name(s)}" for s in legal[you]}
    for s in empty:
        for d in DIRECTIONS:
            if captured(board, me, s, d):
                held.add(f"line from {name(s)} to the {d}")
                if lengths:
                    held.add(f"line of {len(captured(board, me, s, d))} from {name(s)} to the {d}")
            if captured(board, you, s, d):
                held.add(f"opponent line from {name(s)} to the {d}")
    counts = {}
    for side, player in sides.items():
        firm = stable(board, size, player)
        front = [s for s in board if board[s] == player and any(n not in board for n in neighbours(size, s))]
        held |= {f"stable disc of {side} on {name(s)}" for s in firm}
        held |= {f"frontier disc of {side} on {name(s)}" for s in front}
        other = OTHER[player]
        whose = "" if side == "mine" else "opponent has "
        h = size // 2
        middle = [(h - 1, h - 1), (h - 1, h), (h, h - 1), (h, h)]
        discs = [s for s in board if board[s] == player]
        theirs = [s for s in board if board[s] == other]
        touching = [s for s in empty if any(board.get(n) == other for n in neighbours(size, s))]
        counts[f"at least {{}} disc{{}} of {side}"] = len(discs)
        counts[f"{whose}at least {{}} legal move{{}}"] = len(legal[player])
        counts[f"{whose}at least {{}} potential move{{}}"] = len(touching)
        counts[f"at least {{}} frontier disc{{}} of {side}"] = len(front)
        counts[f"at least {{}} stable disc{{}} of {side}"] = len(firm)
        counts[f"at least {{}} corner{{}} of {side}"] = sum(board.get(s) == player for s in corners)
        counts[f"at least {{}} centre disc{{}} of {side}"] = sum(board.get(s) == player for s in middle)
        counts[f"{side} lead by at least {{}} disc{{}}"] = len(discs) - len(theirs)
    counts["last move flipped at least {} disc{}"] = len(position.flipped)
    counts["last move flipped in at least {} direction{}"] = len(position.directions)
    for text, value in counts.items():
        held |= {text.format(k, "s" if k > 1 else "") for k in range(1, value + 1)}
    held |= {f"last move flipped to the {d}" for d in position.directions}
    held |= _state(position, legal[me]) | _last_move(position, corners) | _phase(position)
    held |= _balance(board, me, you, legal) | _places(position, sides, corners) | _tactics(position, legal, corners)
    return held


def _state(position, legal):
    held = {"black to move" if position.player == "B" else "white to move"}
    if position.mover == "B":
        held.add("black moved last")
    if position.passed:
        held.add("the last move forced a pass")
    if position.ever_passed:
        held.add("a pass has happened")
    if position.player != ("B" if position.ply % 2 == 0 else "W"):
        held.add("turn against parity")
    if position.over:
        assert not legal
        held.add("game over")
    if position.player not in position.board.values():
        held.add("no discs of mine")
    return held


def _phase(position):
    width = {4: 4, 6: 8, 8: 10}[position.size]
    last = position.size**2 - 5
    first = (position.ply - 1) // width * width + 1
    return {f"ply {first} to {min(first + width - 1, last)}"}


def near(size, corner):
    """(X-square, C-squares) beside a corner."""
    row, column = corner
    r, c = (1 if row == 0 else size - 2), (1 if column == 0 else size - 2)
    return (r, c), [(row, c), (r, column)]


def _last_move(position, corners):
    size, square, held = position.size, position.last, set()
    if square in corners:
        held.add("last move in a corner")
    if 0 in square or size - 1 in square:
        held.add("last move on an edge")
    for corner in corners:
        x, cs = near(size, corner)
        if square == x:
            held.add("last move on an X-square")
        if square in cs:
            held.add("last move on a C-square")
        if square in (x, *cs) and corner not in position.board:
            held.add("last move beside an empty corner")
    return held


def _balance(board, me, you, legal):
    mine, yours = (sum(disc == player for disc in board.values()) for player in (me, you))
    held = {"ahead in discs" if mine > yours else "behind in discs" if mine < yours else "level in discs"}
    if len(legal[me]) > len(legal[you]):
        held.add("more legal moves than the opponent")
    if len(legal[me]) < len(legal[you]):
        held.add("fewer legal moves than the opponent")
    return held


def edges(size):
    line = range(size)
    return {
        "north": [(0, i) for i in line],
        "east": [(i, size - 1) for i in line],
        "south": [(size - 1, i) for i in line],
        "west": [(i, 0) for i in line],
    }


def _places(position, sides, corners):
    size, board, held = position.size, position.board, set()
    if all(corner in board for corner in corners):
        held.add("all corners taken")
    for corner in corners:
        x, cs = near(size, corner)
        for kind, square in (("X", x), ("C", cs[0]), ("C", cs[1])):
            for side, player in sides.items():
                if corner not in board and board.get(square) == player:
                    held.add(f"{side} on {kind}-square {name(square)} beside empty {name(corner)}")
    for direction, line in edges(size).items():
        if all(s in board for s in line):
            held.add(f"{direction} edge full")
        for side, player in sides.items():
            if all(board.get(s) == player for s in line):
                held.add(f"{direction} edge all {side}")
            if all(board.get(s) == player for s in line[1:-1]) and line[0] not in board and line[-1] not in board:
                held.add(f"balanced {direction} edge of {side}")
    diagonals = [[(i, i) for i in range(size)], [(i, size - 1 - i) for i in range(size)]]
    for line in diagonals:
        for side, player in sides.items():
            if all(board[s] == player for s in line if s in board):
                held.add(f"{side} control the {name(line[0])}-{name(line[-1])} diagonal")
    return held


def _wedge(board, size, legal, other):
    for line in edges(size).values():
        for before, square, behind in zip(line, line[1:], line[2:], strict=False):
            if square in legal and board.get(before) == other and board.get(behind) == other:
                return True
    return False


def _tactics(position, legal, corners):
    size, board, me = position.size, position.board, position.player
    you, held = OTHER[me], set()
    empty = [s for s in squares(size) if s not in board]
    if len(empty) % 2:
        held.add("odd number of empty squares")
    half = size // 2
    for corner in corners:
        quadrant = [s for s in empty if (s[0] < half) == (corner[0] < half) and (s[1] < half) == (corner[1] < half)]
        if len(quadrant) % 2:
            held.add(f"odd number of empty squares in the {name(corner)} quadrant")
    if any(s in corners for s in legal[me]):
        held.add("a corner can be taken")
    if any(s in corners for s in legal[you]):
        held.add("opponent could take a corner")
    if len(legal[me]) == 1:
        held.add("forced move")
    if not legal[you]:
        held.add("opponent has no move")
    if any(0 in s or size - 1 in s for s in legal[me]):
        held.add("an edge move is available")
    bad = set()
    for corner in corners:
        if corner not in board:
            x, cs = near(size, corner)
            bad |= {x, *cs}
    if legal[me] and all(s in bad for s in legal[me]):
        held.add("only moves beside empty corners")
    if _wedge(board, size, legal[me], you):
        held.add("a wedge is available")
    if _wedge(board, size, legal[you], me):
        held.add("opponent has a wedge")
    return held


def perft(size, depth):
    """Leaves at a depth; a forced pass is a ply, and a game that ends earlier is one leaf where it ends."""

    def count(board, player, left):
        if left == 0:
            return 1
        own = moves(board, player, size)
        if not own:
            other = moves(board, OTHER[player], size)
            if not other:
                return 1 if left == 1 else 0
            return count(board, OTHER[player], left - 1)
        total = 0
        for square in own:
            turned = all_captured(board, player, square)
            total += count({**board, square: player, **dict.fromkeys(turned, player)}, OTHER[player], left - 1)
        return total

    return count(start(size), "B", depth)
