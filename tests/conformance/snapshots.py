"""20 Snapshots."""

from agreement import decides, hands_over, set_hash, well_formed
from borsh import BorshReader, borsh, from_borsh, u32
from checkpoints import checkpoint_hash
from genesis import first_members, genesis_hash
from receipts import read_receipt, receipt_hash
from state import COLUMNS, state_bucket, state_node, state_place, subtree_root
from trees import edge_counts, edge_root, interval_leaf, interval_root
from words import ZERO, require

FIRST_LINE = b"phalanx-snapshot/v1\n"
PIECE_MAX, SNAPSHOT_MAX = 12_582_912, 8_589_934_592
CHUNK_BITS_MAX, RECEIPTS_MAX = 12, 1_048_576


def snapshot_file(manifest, parts):
    """20.5 The bytes of a snapshot file."""
    pieces = [borsh("Manifest", manifest)] + [borsh("Part", part) for part in parts]
    return FIRST_LINE + b"".join(u32(len(piece)) + piece for piece in pieces)


def read_snapshot(data, genesis):
    """20.7 The checks, in order. Gives {manifest, parts, entries, settings, receipts}; genesis is the trusted one."""
    require(data.startswith(FIRST_LINE), "another first line")
    reader = BorshReader(data[len(FIRST_LINE):])
    piece = reader.read(("bytes",))
    manifest = read_manifest(piece, genesis)
    parts, entries, receipts = read_parts(reader, manifest, len(piece))
    settings = read_entries(entries)
    check_settings(settings, manifest, genesis)
    check_receipts(receipts, settings["ledger"], manifest)
    require(reader.at == len(reader.data), "bytes follow the last part")
    return {"manifest": manifest, "parts": parts, "entries": entries, "settings": settings, "receipts": receipts}


def read_manifest(data, genesis):
    """20.7 (2) to (7) The manifest."""
    require(len(data) <= PIECE_MAX, "a manifest that is too long")
    manifest = from_borsh("Manifest", data)
    require(manifest["version"] == 1, "another version")
    require(manifest["genesis"] == genesis_hash(genesis), "another genesis")
    check_handovers(manifest, genesis)
    require(manifest["chunk_bits"] <= CHUNK_BITS_MAX and manifest["receipts"] <= RECEIPTS_MAX, "too many parts")
    checkpoint, edge = manifest["checkpoint"], manifest["edge"]
    require([len(hashes) for hashes in edge["tiles"]] == edge_counts(edge["size"]), "an edge of another form")
    if checkpoint is None:
        require(edge["size"] == 0, "an edge without a checkpoint")
    else:
        require((edge["size"], edge_root(edge)) == (checkpoint["history_size"], checkpoint["history_root"]),
                "the edge of another tree")
    return manifest


def check_handovers(manifest, genesis):
    """20.7 (3) to (5) The sets, from the first members to the one that decides the header, and the next one."""
    header, handovers = manifest["header"], manifest["handovers"]
    members, last = first_members(genesis), 0
    for place, handover in enumerate(handovers, start=1):
        height = handover["header"]["height"]
        require(last < height <= header["height"], "handovers do not ascend")
        if height == header["height"]:
            require(place == len(handovers), "a handover after the header's")
        else:
            require(is_decided(handover, members, genesis), "a handover that the set has not decided")
            members, last = next_members(handover), height
    require(is_decided(manifest, members, genesis), "a header that the set has not decided")
    own = [handover for handover in handovers if handover["header"]["height"] == header["height"]]
    require(bool(own) == hands_over(header), "a handover of the header that is missing, or one too many")
    for handover in own:
        require((handover["header"], handover["certificate"]) == (header, manifest["certificate"]), "another header")
        next_members(handover)


def is_decided(part, members, genesis):
    """20.8 Is the header of a manifest or handover decided by a set?"""
    header = part["header"]
    return ((header["mesh"], header["validator_set"]) == (genesis["mesh"], set_hash(members))
            and decides(part["certificate"], header, members))


def next_members(handover):
    """20.7 (3), (5) The members of the next set, which is well formed and the one that the header names."""
    next_set = handover["next_set"]
    require(well_formed(next_set), "a set that is not well formed")
    require(set_hash(next_set["members"]) == handover["header"]["next_validator_set"], "another next set")
    return next_set["members"]


def read_parts(reader, manifest, total):
    """20.7 (8) The parts in the order of 20.4. Gives them, {(column, key): value}, and the receipts' bytes."""
    parts, entries, receipts = [], {}, []
    chunks, first = 2 ** manifest["chunk_bits"], manifest["edge"]["size"]
    while len(parts) < chunks or len(receipts) < manifest["receipts"]:
        piece = reader.read(("bytes",))
        total += len(piece)
        require(total <= SNAPSHOT_MAX and len(piece) <= PIECE_MAX, "too many bytes")
        kind, part = from_borsh("Part", piece)
        if len(parts) < chunks:
            require(kind == "state" and part["number"] == len(parts), "another part than the next chunk")
            entries |= read_chunk(part, manifest)
        else:
            require(kind == "receipts" and part["first"] == first + len(receipts), "other receipts than the next")
            require(1 <= len(part["receipts"]) <= manifest["receipts"] - len(receipts), "a number of receipts")
            receipts += part["receipts"]
        parts.append((kind, part))
    return parts, entries, receipts


def read_chunk(part, manifest):
    """20.7 (8) The entries of a chunk, whose path leads to the app hash; no two have the same column and key (15)."""
    bits, number = manifest["chunk_bits"], part["number"]
    entries = {(column, key): value for column, key, value in part["entries"]}
    require(len(entries) == len(part["entries"]), "an entry twice")
    require(all(state_bucket(state_place(*entry)) >> 16 - bits == number for entry in entries), "an entry elsewhere")
    require(len(part["path"]) == bits, "a path of another length")
    h = subtree_root(entries, 16 - bits, number)
    for p in part["path"]:
        h = state_node(h, p) if number % 2 == 0 else state_node(p, h)
        number //= 2
    require(h == manifest["header"]["app_hash"], "the path does not lead to the app hash")
    return entries


def read_entries(entries):
    """20.7 (9) Every key is that of its column (15.5). Of the values the text lays out the Settings alone (15.6)."""
    for column, key in entries:
        require(column < len(COLUMNS), "no such column")
        require(from_borsh(COLUMNS[column], key) == 0 or column != 0, "no key of the settings")
    require((0, b"\0") in entries, "no settings")
    return from_borsh("Settings", entries[0, b"\0"])


def check_settings(settings, manifest, genesis):
    """20.7 (10), (11) The Settings are those of the header and the checkpoint."""
    header, checkpoint, mark = manifest["header"], manifest["checkpoint"], settings["ledger"]
    require((settings["mesh"], settings["height"], settings["time"])
            == (genesis["mesh"], header["height"], header["time"]), "settings of another header")
    require(set_hash(settings["next_set"]["members"]) == header["next_validator_set"], "settings with another next set")
    require((mark["checkpoint"], mark["checkpoint_hash"])
            == ((checkpoint["number"], checkpoint_hash(checkpoint)) if checkpoint else (0, ZERO)),
            "another checkpoint than the state's")


def check_receipts(receipts, mark, manifest):
    """20.7 (12) to (14) The receipts from the last checkpoint on."""
    header, checkpoint, first = manifest["header"], manifest["checkpoint"], manifest["edge"]["size"]
    beat, previous, own = checkpoint["last_beat"] + 1 if checkpoint else 0, None, []
    for index, canonical in enumerate(receipts, start=first):
        receipt = read_receipt(canonical)
        require(receipt["index"] == index, "another index than the next")
        require(previous in (None, receipt["previous_hash"]), "another receipt before it")
        require(beat <= receipt["beat"] <= header["height"], "beats do not ascend")
        require((receipt["beat"] == header["height"]) == (index >= mark["next_receipt"]), "another beat")
        require(index != mark["next_receipt"] or receipt["previous_hash"] == mark["previous_hash"], "another ledger")
        beat, previous = receipt["beat"], receipt_hash(canonical)
        if beat == header["height"]:
            own.append(previous)
    end = first + len(receipts)
    require(end >= mark["next_receipt"], "receipts are missing")
    require(end > mark["next_receipt"] or previous in (None, mark["previous_hash"]), "another last receipt")
    require(interval_root([interval_leaf(h) for h in own]) == header["receipts_root"], "another receipts root")
