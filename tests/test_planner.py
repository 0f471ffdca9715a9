"""The planner: nothing that is needed is overwritten, in as few bytes as there can be."""
import itertools
import time

import pytest
from aifes.layers.assemble import plan_arena
from aifes_host.planner import plan
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = st.integers(1, 9)


@st.composite
def networks(draw, ops, sizes=SIZES):
    """(n_bytes, ops, n_inputs, outputs) as plan() takes them, of up to so many ops.

    As in a model: inputs first, then outputs, then the others; each made by one op.
    """
    n_inputs = draw(st.integers(1, 3))
    n_bytes = [draw(sizes) for _ in range(n_inputs)]
    made = []
    for _ in range(draw(st.integers(1, ops))):
        known = range(len(n_bytes))
        xs = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
        in_place = draw(st.booleans())
        n_bytes.append(n_bytes[xs[0]] if in_place else draw(sizes))
        made.append((xs, [len(n_bytes) - 1], in_place))
    read = {x for xs, _, _ in made for x in xs}
    new = range(n_inputs, len(n_bytes))
    ends = [t for t in new if t not in read or draw(st.integers(0, 5)) == 0]
    order = [*range(n_inputs), *ends, *(t for t in new if t not in ends)]
    number = {t: k for k, t in enumerate(order)}
    return ([n_bytes[t] for t in order],
            [([number[x] for x in xs], [number[y] for y in ys], p) for xs, ys, p in made],
            n_inputs, list(range(n_inputs, n_inputs + len(ends))))


def most_at_once(n_bytes, ops, order, n_inputs, outputs):
    """A bound of its own: of each step what is needed later, and what the op reads and makes."""
    live, most = set(range(n_inputs)), sum(n_bytes[:n_inputs])
    for step, i in enumerate(order):
        xs, ys, in_place = ops[i]
        later = set(outputs).union(*(ops[j][0] for j in order[step + 1:]))
        over = [t for t in set(xs) - later if in_place]
        extra = 0
        for y in ys:
            same = next((t for t in over if n_bytes[t] == n_bytes[y]), None)
            if same is None:
                extra += n_bytes[y]
            else:
                over.remove(same)
        most = max(most, sum(n_bytes[t] for t in live) + extra)
        live = (live | set(ys)) & later
    return most


@st.composite
def networks_with_wholes(draw, ops, sizes=SIZES):
    """As networks(), with a last item: parts as plan() takes them."""
    n_inputs = draw(st.integers(1, 3))
    n_bytes = [draw(sizes) for _ in range(n_inputs)]
    made, parts, free = [], {}, list(range(n_inputs))
    for _ in range(draw(st.integers(1, ops))):
        if len(free) > 1 and draw(st.booleans()):
            inner = draw(st.lists(st.sampled_from(free), min_size=2, max_size=3, unique=True))
            free = [t for t in free if t not in inner]
            parts[len(n_bytes)] = inner
            n_bytes.append(sum(n_bytes[t] for t in inner))
        else:
            xs = draw(st.lists(st.sampled_from(range(len(n_bytes))), min_size=1, max_size=3))
            in_place = draw(st.booleans())
            n_bytes.append(n_bytes[xs[0]] if in_place else draw(sizes))
            made.append((xs, [len(n_bytes) - 1], in_place))
        free.append(len(n_bytes) - 1)
    made.append(([len(n_bytes) - 1], [len(n_bytes)], draw(st.booleans())))
    n_bytes.append(n_bytes[-1])
    read = {x for xs, _, _ in made for x in xs} | {t for ts in parts.values() for t in ts}
    ends = [t for t in range(n_inputs, len(n_bytes))
            if t not in read or draw(st.integers(0, 5)) == 0]
    return n_bytes, made, n_inputs, ends, parts


def check(placed, n_bytes, ops, n_inputs, outputs, parts=None):
    """What format.decode() asks of a model, computed with the bytes themselves."""
    assert sorted(placed.order) == list(range(len(ops)))
    parts = parts or {}
    memory = [None] * placed.arena

    def write(t):
        at, n = placed.offsets[t], n_bytes[t]
        assert 0 <= at and at + n <= placed.arena
        memory[at:at + n] = [t] * n

    def whole(t):
        at, n = placed.offsets[t], n_bytes[t]
        for part in parts.get(t, ()):
            assert placed.offsets[part] == at
            at += n_bytes[part]
        return all(map(whole, parts[t])) if t in parts else memory[at:at + n] == [t] * n

    for t in range(n_inputs):
        write(t)
    assert all(map(whole, range(n_inputs)))
    for i in placed.order:
        xs, ys, in_place = ops[i]
        assert all(map(whole, xs))
        for x, y in itertools.product(xs, ys):
            a, b = placed.offsets[x], placed.offsets[y]
            apart = a + n_bytes[x] <= b or b + n_bytes[y] <= a
            assert apart or in_place and (a, n_bytes[x]) == (b, n_bytes[y])
        for y in ys:
            write(y)
    assert all(map(whole, outputs))
    assert placed.arena >= placed.lower_bound


@settings(deadline=None)
@given(networks(12))
def test_nothing_needed_is_overwritten(network):
    n_bytes, ops, n_inputs, outputs = network
    placed = plan(*network)
    check(placed, *network)
    assert placed.lower_bound <= placed.arena
    assert placed.arena >= max(n_bytes)
    given_order = most_at_once(n_bytes, ops, range(len(ops)), n_inputs, outputs)
    assert placed.lower_bound <= given_order


@settings(deadline=None, max_examples=200)
@given(networks_with_wholes(10))
def test_parts_lie_in_wholes(network):
    n_bytes, ops, n_inputs, outputs, parts = network
    placed = plan(*network)
    check(placed, *network)
    # never worse than with copies into a place of its own
    copied = [t for ts in parts.values() for t in ts]
    assert placed.arena <= sum(n_bytes) - sum(n_bytes[t] for t in copied)


def test_a_part_is_made_in_its_place_from_what_it_overwrites():
    """relu of a dense layer: the sum lies where the part will."""
    placed = plan([4, 12, 5, 5, 7], [([0], [2], False), ([2], [3], True), ([0], [4], False)], 1,
                  [1], {1: [3, 4]})
    assert placed.arena == placed.lower_bound == 16
    assert placed.offsets[2] == placed.offsets[3] == placed.offsets[1]
    assert placed.offsets[4] == placed.offsets[1] + 5


def smallest(n_bytes, ops, n_inputs, outputs):
    """The least arena of all orders, of all in which tensors are placed as low as they fit."""
    best = sum(n_bytes)
    for order in itertools.permutations(range(len(ops))):
        known = set(range(n_inputs))
        for i in order:
            if not known.issuperset(ops[i][0]):
                break
            known.update(ops[i][1])
        else:
            best = min(best, _smallest(n_bytes, ops, order, n_inputs, outputs))
    return best


def _smallest(n_bytes, ops, order, n_inputs, outputs):
    first, last = dict.fromkeys(range(n_inputs), 0), {}
    over = {}  # (x, y): y may lie where x does
    for step, i in enumerate(order):
        xs, ys, in_place = ops[i]
        last.update(dict.fromkeys(xs, step))
        first.update(dict.fromkeys(ys, step))
        for x, y in itertools.product(xs, ys):
            over[x, y] = in_place and n_bytes[x] == n_bytes[y]
    for t in range(len(n_bytes)):
        last.setdefault(t, first[t])
    last.update(dict.fromkeys(outputs, len(order)))

    def clash(a, b):
        return first[a] <= last[b] and first[b] <= last[a]

    def exactly(a, b):
        return any(over.get(pair) and last[pair[0]] == first[pair[1]] for pair in ((a, b), (b, a)))

    numbers = range(len(n_bytes))
    best = sum(n_bytes)
    # in the best arrangement each tensor lies at 0, on top of another or in place of one
    for turn in itertools.permutations(numbers):
        at = {}
        for t in turn:
            spots = sorted({0, *(at[o] + n_bytes[o] for o in at), *(at[o] for o in at)})
            at[t] = next(s for s in spots if all(
                not clash(t, o) or s + n_bytes[t] <= at[o] or at[o] + n_bytes[o] <= s
                or s == at[o] and exactly(t, o) for o in at))
        best = min(best, max(at[t] + n_bytes[t] for t in numbers))
    return best


@settings(deadline=None, max_examples=40)
@given(networks(3))
def test_no_plan_of_a_small_network_is_smaller(network):
    assert plan(*network).arena == smallest(*network)


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1,
                                    max_size=40))
def test_a_chain_takes_what_it_did(n, results):
    sizes = [n]
    for i, (_, in_place) in enumerate(results):
        if in_place:
            results[i] = sizes[-1], True
        sizes.append(results[i][0])
    count = len(results)
    # numbered as in a model: the output follows the input
    number = [0, *range(2, count + 1), 1]
    n_bytes = [sizes[number.index(t)] for t in range(count + 1)]
    ops = [([number[i]], [number[i + 1]], results[i][1]) for i in range(count)]
    placed = plan(n_bytes, ops, 1, [1])
    arena, offsets = plan_arena(n, [(*r, 0) for r in results])
    assert placed.arena == placed.lower_bound == arena
    assert [placed.offsets[t] for t in number] == [0, *offsets]
    assert placed.order == list(range(count))


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(1, 50), st.integers(0, 20)), min_size=1,
                                    max_size=40))
def test_a_chain_with_scratch_takes_what_is_needed_at_once(n, results):
    sizes = [n, *(m for m, _ in results)]
    n_bytes, ops = sizes[:], []
    for i, (_, scratch) in enumerate(results):
        outputs = [i + 1]
        if scratch:
            outputs.append(len(n_bytes))
            n_bytes.append(scratch)
        ops.append(([i], outputs, False))
    placed = plan(n_bytes, ops, 1, [len(results)])
    assert placed.arena == placed.lower_bound == max(
        x + y + scratch for x, y, scratch in zip(sizes, sizes[1:], [s for _, s in results]))
    assert placed.arena == plan_arena(n, [(m, False, s) for m, s in results])[0]
    for xs, ys, _ in ops:  # none of what an op needs lies in another
        at = sorted((placed.offsets[t], placed.offsets[t] + n_bytes[t]) for t in xs + ys)
        assert all(end <= start for (_, end), (start, _) in zip(at, at[1:]))


@given(networks(8, SIZES.map(lambda n: 4 * n)))
def test_float32_lies_at_multiples_of_four(network):
    placed = plan(*network)
    assert not any(n % 4 for n in [placed.arena, *placed.offsets])


def test_another_order_is_taken_where_it_needs_less():
    """Two branches that grow and shrink: one after the other, not side by side."""
    n_bytes = [4, 1, 100, 100, 1, 1]
    ops = [([0], [2], False), ([0], [3], False), ([2], [4], False), ([3], [5], False),
           ([4, 5], [1], True)]
    placed = plan(n_bytes, ops, 1, [1])
    check(placed, n_bytes, ops, 1, [1])
    assert placed.order in ([0, 2, 1, 3, 4], [1, 3, 0, 2, 4])
    assert placed.arena == placed.lower_bound == 105


@pytest.mark.parametrize("kind", ["chain", "residual", "wide", "branches"])
def test_a_thousand_ops_take_seconds(kind):
    if kind == "chain":
        ops = [([i], [i + 1], i % 2 == 1) for i in range(1000)]
    elif kind == "residual":
        ops = [([i, max(0, i - 2)], [i + 1], True) for i in range(1000)]
    elif kind == "wide":
        ops = [([0], [i + 1], False) for i in range(500)]
        ops += [([i + 1, 500 + i if i else 2], [501 + i], True) for i in range(500)]
    else:
        ops = [([max(0, i - i % 7)], [i + 1], i % 3 == 0) for i in range(1000)]
    read = {x for xs, _, _ in ops for x in xs}
    outputs = [ys[0] for _, ys, _ in ops if ys[0] not in read]
    n_bytes = [64 + 8 * (i * 37 % 11) for i in range(1001)]
    start = time.monotonic()
    placed = plan(n_bytes, ops, 1, outputs)
    assert time.monotonic() - start < 20
    check(placed, n_bytes, ops, 1, outputs)
