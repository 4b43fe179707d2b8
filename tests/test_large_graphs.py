"""Graphs of many small parts: what is computed of them grows with their size, not with its square."""

from __future__ import annotations

import ssdp_hw as sh


def ring(count: int) -> sh.FixedNetwork:
    """A ring of populations, with shortcuts: two projections each."""
    names = [f"p{k}" for k in range(count)]
    populations = [sh.FixedPopulation(name=n, size=1, vth=9) for n in names]
    pairs = [(names[k], names[(k + step) % count]) for k in range(count) for step in (1, 7)]
    projections = [
        sh.FixedProjection(pre=a, post=b, weight=[[2]], name=f"{a}>{b}", delay=int(a[1:]) % 3) for a, b in pairs
    ]
    projections.append(sh.FixedProjection(pre="in", post="p0", weight=[[2]]))
    return sh.FixedNetwork([sh.Input("in", 1)], populations, projections, [names[-1]])


def relaxed(network: sh.FixedNetwork) -> int:
    """The latency by relaxing every projection until nothing changes (Bellman and Ford)."""
    distance = dict.fromkeys(network.input_names, 0)
    for _ in network.populations:
        for p in network.projections:
            if p.pre in distance:
                through = distance[p.pre] + 1 + p.max_delay
                distance[p.post] = min(distance.get(p.post, through), through)
    return max(distance.get(name, 0) for name in network.outputs)


def test_latency_is_the_shortest_way():
    for count in (8, 30, 61):
        assert ring(count).latency == relaxed(ring(count))
    lone = sh.FixedNetwork([sh.Input("in", 1)], [sh.FixedPopulation(name="p", size=1)], [], ["p"])
    assert lone.latency == 0


def test_incoming_and_outgoing_are_in_the_order_of_the_projections():
    network = ring(20)
    for name in (*network.input_names, *network.population_names):
        assert network.incoming(name) == [q for q in network.projections if q.post == name]
        assert network.outgoing(name) == [q for q in network.projections if q.pre == name]


def cost(count: int) -> int:
    """Calls of Python functions that describing a ring takes."""
    network, calls = ring(count), 0

    def count_calls(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    import sys

    sys.setprofile(count_calls)
    try:
        _ = network.latency
        network.summary()
        sh.resources(network)
    finally:
        sys.setprofile(None)
    return calls


def test_describing_costs_in_proportion_to_the_size():
    small, large = cost(50), cost(400)
    assert large < 12 * small  # 8 times the parts; the heap of the shortest ways adds a logarithm
