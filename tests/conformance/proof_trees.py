"""16.5 to 16.8 The trees of agents and actions."""

from functools import lru_cache

from poseidon import element, poseidon, poseidon_list, tag, word

DEPTH = 10
# 16.6 The rule of agents that no other one binds: within the longest reach of the centre.
REACH_MAX = 2**80 - 1
# 16.6 The m of a step of 0.50002: the floor of (cosh(0.50002) - 1) * 2^32.
STEP_REACH = 548194109


@lru_cache(maxsize=None)
def nothing(level):
    """16.5 The node over nothing."""
    return 0 if level == 0 else poseidon(*[nothing(level - 1)] * 4)


def tree_root(leaves):
    """16.5 The root over leaves, which are elements."""
    nodes = list(leaves) or [0]
    for level in range(DEPTH):
        nodes += [nothing(level)] * (-len(nodes) % 4)
        nodes = [poseidon(*nodes[at:at + 4]) for at in range(0, len(nodes), 4)]
    return nodes[0]


def position_hash(position):
    """16.6 The hash of a place."""
    slots = [x + 2**40 for x in position]
    packed = [sum(slot << 41 * j for j, slot in enumerate(slots[at:at + 6])) for at in range(0, len(slots), 6)]
    return poseidon_list("phalanx/position/v1", len(position), packed)


def name_hash(name):
    """16.6 The hash of a tenant's name."""
    data = name.encode()
    parts = [int.from_bytes(data[at:at + 31], "big") for at in range(0, len(data), 31)]
    return poseidon_list("phalanx/tenant/v1", len(data), parts)


def unbound_policy(dimension):
    """16.6 The root of the policy of agents that no policy binds."""
    rule = poseidon(tag("phalanx/rule/v1"), position_hash([0] * dimension), REACH_MAX, 0)
    return poseidon(tag("phalanx/policy-root/v1"), STEP_REACH, rule, *[0] * 6)


def gpu_milli(request):
    """16.6 Thousandths of GPUs."""
    kind, value = request if isinstance(request, tuple) else (request, None)
    return {"none": lambda: 0, "shared": lambda: value["milli"], "whole": lambda: 1000 * value["count"]}[kind]()


def agent_leaf(id_, tenant, position, resources, policy_root, nonce, seed):
    """16.6 The leaf of an agent."""
    taken = poseidon(tag("phalanx/resources/v1"), resources["cpu_milli"], resources["memory_mib"],
                     gpu_milli(resources["gpu"]))
    blinding = poseidon(tag("phalanx/blind/v1"), element(seed), nonce)
    return poseidon(tag("phalanx/agent/v1"), element(id_), name_hash(tenant), position_hash(position), taken,
                    policy_root, nonce, blinding)


def beat_digest(before, height, receipts_root):
    """16.7 The digest of a beat."""
    return poseidon(tag("phalanx/beat/v1"), before, height, element(receipts_root))


def action_leaf(index, before, after, policy_root, worker, beat):
    """16.7 The leaf of an action."""
    capacity = poseidon(tag("phalanx/capacity/v1"), worker["cpu_milli"], worker["memory_mib"], 1000 * worker["gpus"])
    return poseidon(tag("phalanx/action/v1"), index, before, after, policy_root, capacity, beat)


def interval_audit(digest, beats):
    """16.7 The audit tree of an interval: from the digest before it and its beats, each as height, receipts root and
    leaves of actions. Gives what is stored of it, and its root."""
    leaves, places, last = [], [], element(digest)
    for height, receipts_root, actions in beats:
        last = beat_digest(last, height, receipts_root)
        leaves += actions
        places.append(len(leaves))
        leaves.append(last)
    stored = {"first_beat": beats[0][0], "beats": places, "leaves": [word(leaf) for leaf in leaves]}
    return stored, word(tree_root(leaves))


def agents_root(leaves):
    """16.6 Root of the agents tree, from slots to leaves."""
    last = max(leaves, default=-1)
    return word(tree_root([leaves.get(slot, 0) for slot in range(last + 1)]))


class Agents:
    """16.6, 16.7 The agents of a ledger without policies, which stay where they were spawned."""

    def __init__(self, specs, workers):
        self.specs, self.workers = specs, workers
        self.alive, self.actions = {}, 0

    def leaf(self, id_, nonce):
        """The leaf of an agent at a nonce."""
        spec = self.specs[id_]
        position = spec["position"]
        return agent_leaf(bytes.fromhex(id_), spec["tenant"], position, spec["resources"],
                          unbound_policy(len(position)), nonce, spec["seed"])

    def take(self, receipt):
        """Takes in a receipt about an agent; the leaf of the action, if it is one."""
        kind, id_, nonce = receipt["kind"][0], receipt["subject"], int(receipt["data"]["nonce"])
        if kind == "agent_spawned":
            taken = {slot for slot, _ in self.alive.values()}
            self.alive[id_] = (min(set(range(len(taken) + 1)) - taken), nonce)
        elif kind == "agent_terminated":
            del self.alive[id_]
        elif kind == "agent_migrated":
            self.alive[id_] = (self.alive[id_][0], nonce)
            index, self.actions = self.actions, self.actions + 1
            policy = unbound_policy(len(self.specs[id_]["position"]))
            worker = self.workers[receipt["data"]["worker_after"]]
            return action_leaf(index, self.leaf(id_, nonce - 1), self.leaf(id_, nonce), policy, worker,
                               receipt["beat"])
        else:
            raise ValueError(f"{kind}: this ledger's agents stay where they are")
        return None

    def root(self):
        """The root of the agents tree."""
        return agents_root({slot: self.leaf(id_, nonce) for id_, (slot, nonce) in self.alive.items()})
