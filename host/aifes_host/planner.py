"""Where each tensor lies in the arena, and in which order the ops run: the smallest of several
orders and fits. It knows tensors by number and size, and of ops what they read and write.
"""
import itertools
import random
from dataclasses import dataclass

ORDERS = 200  # topological orders that are looked at
FITTED = 6  # the best of them by their lower bound, for which tensors are placed
EXACT = 6  # blocks up to which all orders of placing are tried
TRIES = 200  # random ones, beyond


@dataclass
class Placement:
    """order: numbers of ops as they run; offsets: of each tensor, bytes; arena: bytes.

    lower_bound: the most bytes that are needed at once in this order: no arena can be smaller.
    """

    order: list
    offsets: list
    arena: int
    lower_bound: int


@dataclass
class _Block:
    """Tensors that share their bytes, from the first op that needs them to the last.

    tensors: (number, where it lies in the block). unread: an output that nothing reads: what an op
    works in.
    """

    size: int
    first: int
    last: int
    tensors: list
    unread: bool = False


@dataclass
class _Net:
    """n_bytes, n_inputs as plan() has them. ops: (tensors that it reads, that it makes, that these
    may overwrite) of each; outputs: those that stay; whole tensors stand in neither, but their
    parts. places: {tensor: (the outermost whole that it is a part of, or is, where it lies there)}.
    """

    n_bytes: list
    ops: list
    n_inputs: int
    outputs: set
    places: dict


def plan(n_bytes, ops, n_inputs, outputs, parts=None):
    """The Placement of tensors of n_bytes each.

    ops: (inputs, outputs, in_place) of each, with numbers of tensors; an output that nothing reads
    is needed while its op runs. in_place: whether a result
    may lie where an input of the same size lies that nothing needs any more. Tensors 0 to n_inputs
    - 1 are there from the start; `outputs` stay until the end. Sizes and offsets of a multiple of 4
    come from sizes that are. parts: {tensor that no op makes: those that lie in it one after
    another}; each is a part of one at most.
    """
    parts = parts or {}
    net = _Net(n_bytes, [(_leaves(xs, parts), ys, xs if in_place else [])
                         for xs, ys, in_place in ops],
               n_inputs, set(_leaves(outputs, parts)), _places(n_bytes, parts))
    # whether what is overwritten by a part comes to lie in the whole, too: if there are any
    ways = itertools.product((False, True), (True, False) if parts else (True,))
    seen = [(_live(net, order, *way), order)
            for order, way in itertools.product(_orders(net), ways)]
    bounds = [_bound(blocks, len(ops)) for blocks, _ in seen]
    best = None
    ranked = sorted(range(len(seen)), key=lambda k: (bounds[k], k))
    for k in ranked[:FITTED]:
        if best and best.arena <= bounds[k]:
            break
        blocks, order = seen[k]
        placed = _fit(blocks, bounds[k])
        arena = max(at + b.size for at, b in zip(placed, blocks))
        if best is None or arena < best.arena:
            offsets = [0] * len(n_bytes)
            for at, block in zip(placed, blocks):
                for t, inner in block.tensors:
                    offsets[t] = at + inner
            best = Placement(order, offsets, arena, bounds[k])
    return best


def _leaves(tensors, parts):
    """The tensors, of wholes their parts."""
    return [leaf for t in tensors
            for leaf in (_leaves(parts[t], parts) if t in parts else [t])]


def _places(n_bytes, parts):
    inner = {t for ts in parts.values() for t in ts}
    found = {}

    def place(t, whole, at):
        found[t] = whole, at
        for part in parts.get(t, ()):
            place(part, whole, at)
            at += n_bytes[part]

    for whole in parts:
        if whole not in inner:
            place(whole, whole, 0)
    return found


def _orders(net):
    """The order as given, one that always takes the op which leaves least, and more of few ops."""
    makers = {t: i for i, (_, ys, _) in enumerate(net.ops) for t in ys}
    needs = [{makers[t] for t in xs if t in makers} for xs, _, _ in net.ops]
    found = [list(range(len(net.ops)))]
    if all(len(n) <= 1 for n in needs) and len({i for n in needs for i in n}) == len(net.ops) - 1:
        return found  # a chain
    found.append(_greedy(net, needs))
    for order in itertools.islice(_topological(needs), ORDERS):
        if order not in found:
            found.append(order)
    return found


def _greedy(net, needs):
    readers = {}
    for i, (xs, _, _) in enumerate(net.ops):
        for t in xs:
            readers.setdefault(t, set()).add(i)
    order, left = [], set(range(len(net.ops)))

    def growth(i):
        xs, ys, _ = net.ops[i]
        freed = sum(net.n_bytes[t] for t in set(xs)
                    if t not in net.outputs and not readers[t] & left - {i})
        return sum(net.n_bytes[t] for t in ys) - freed, i

    while left:
        i = min((i for i in left if not needs[i] & left), key=growth)
        order.append(i)
        left.remove(i)
    return order


def _topological(needs, done=()):
    """All orders, one after another, without recursion deeper than a few hundred ops."""
    if len(needs) > 64:
        return
    if len(done) == len(needs):
        yield list(done)
        return
    for i in range(len(needs)):
        if i not in done and needs[i] <= set(done):
            yield from _topological(needs, (*done, i))


def _live(net, order, last_first, joined):
    """The _Blocks of an order. last_first: of inputs that could be overwritten the last is; joined:
    so is one outside of a whole by a part of it, where the part will lie."""
    places, n_bytes, until = net.places, net.n_bytes, _until(net, order)
    members = {}
    for t, (whole, _) in places.items():
        members.setdefault(whole, []).append(t)
    where, blocks = {}, []  # where: {tensor: (its block, where it lies there)}

    def put(t, step):
        """Give t a place, from this step on; with a part all of its whole has one."""
        if t not in where:
            whole = places.get(t, (t, 0))[0]
            block = _Block(n_bytes[whole], step, until.get(t, step), [], t not in until)
            where.update([(v, (block, places[v][1])) for v in members.get(whole, ())]
                         or [(t, (block, 0))])
            blocks.append(block)

    for t in range(net.n_inputs):
        put(t, 0)
    for step, i in enumerate(order):
        _, ys, overs = net.ops[i]
        wholes = [places[t][0] for t in overs if t in places]  # two of one may overlap
        free = [t for t in overs if until[t] == step and (
            t not in places or wholes.count(places[t][0]) == 1)]
        for t in ys:
            same = [x for x in free if n_bytes[x] == n_bytes[t] and (
                t not in places or joined and where[x][0].size == n_bytes[x])]
            if not same:
                put(t, step)
                continue
            x = same[-1] if last_first else same[0]
            free = [v for v in free if v != x]
            old = where[x][0]
            if t in places:  # what lies there moves into the whole
                put(t, step)
                block, at = where[t]
                block.first = min(block.first, old.first)
                where.update([(v, (block, at + inner)) for v, (b, inner) in where.items()
                              if b is old])
                blocks.remove(old)
            else:
                where[t] = where[x]
                old.last = max(old.last, until.get(t, step))
    for t, (block, at) in where.items():
        block.tensors.append((t, at))
    return blocks


def _until(net, order):
    """{tensor: the last step that needs it}; what lies in one whole stays together."""
    until = {t: len(order) for t in net.outputs}
    for step, i in enumerate(order):
        for t in net.ops[i][0]:
            until[t] = max(until.get(t, 0), step)
    last = {}
    for t, (whole, _) in net.places.items():
        last[whole] = max(last.get(whole, 0), until.get(t, 0))
    until.update((t, last[whole]) for t, (whole, _) in net.places.items())
    return until


def _bound(blocks, steps):
    """The most bytes at once."""
    change = [0] * (steps + 2)
    for b in blocks:
        change[b.first] += b.size
        change[b.last + 1] -= b.size
    return max(itertools.accumulate(change))


def _fit(blocks, bound):
    """The offset of each block, in as few bytes as is found."""
    beside = _beside(blocks)
    found = _from_both_ends(blocks, beside, bound)
    if found:
        return found
    numbers = range(len(blocks))
    orders = [sorted(numbers, key=lambda k: -blocks[k].size),
              sorted(numbers, key=lambda k: (blocks[k].first, -blocks[k].size)),
              sorted(numbers, key=lambda k: -(blocks[k].last - blocks[k].first + 1)),
              sorted(numbers, key=lambda k: -(blocks[k].last - blocks[k].first + 1)
                     * blocks[k].size)]
    if len(blocks) <= EXACT:  # one of them is the best there is
        orders = itertools.permutations(numbers)
    elif len(blocks) <= 200:
        source = random.Random(0)
        orders += [source.sample(numbers, len(blocks)) for _ in range(TRIES)]
    best = None
    for order in orders:
        placed = _lowest(blocks, beside, order)
        arena = max(at + b.size for at, b in zip(placed, blocks))
        if best is None or arena < best[0]:
            best = arena, placed
        if arena == bound:
            break
    return best[1]


def _beside(blocks):
    """For each block the numbers of those that are there at the same time."""
    order = sorted(range(len(blocks)), key=lambda k: blocks[k].first)
    found = [[] for _ in blocks]
    active = []
    for k in order:
        active = [j for j in active if blocks[j].last >= blocks[k].first]
        for j in active:
            found[j].append(k)
            found[k].append(j)
        active.append(k)
    return found


def _gaps(blocks, placed, others):
    """The free ranges [low, high) between those of the others that are placed."""
    at = 0
    for low, high in sorted((placed[j], placed[j] + blocks[j].size) for j in others
                            if placed[j] is not None):
        if low > at:
            yield at, low
        at = max(at, high)
    yield at, float("inf")


def _lowest(blocks, beside, order):
    """Each block, in this order, as low as it fits."""
    placed = [None] * len(blocks)
    for k in order:
        placed[k] = next(low for low, high in _gaps(blocks, placed, beside[k])
                         if high - low >= blocks[k].size)
    return placed


def _from_both_ends(blocks, beside, size):
    """Offsets in an arena of this size, of blocks in their order in time, at its two ends by
    turns; None if they do not fit so. A chain always does."""
    placed, top = [None] * len(blocks), False
    for k in sorted(range(len(blocks)), key=lambda k: blocks[k].first):
        n = blocks[k].size
        gaps = [(low, min(high, size)) for low, high in _gaps(blocks, placed, beside[k])
                if min(high, size) - low >= n]
        if not gaps:
            return None
        placed[k] = gaps[-1][1] - n if top else gaps[0][0]
        top = top if blocks[k].unread else not top
    return placed
