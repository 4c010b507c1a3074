#!/usr/bin/env python3
"""An independent verifier of the Phalanx ledger, written from the text `formats.md` alone.

    verify.py [VECTORS]                                   re-derives every value in every vector file
    verify.py --proof FILE [--genesis FILE | --genesis-hash HEX]   gives the verdict on a proof file

Python 3.11, standard library only. VECTORS is `../vectors` beside this script's own folder when it is not given.
The vectors: exit code 0 when every value is as re-derived, else 1; a file or a field that is not known is a failure.
A proof file: the exit codes of section 17.5.

Numbers such as 13.3 in the docstrings are sections of the text. The other files of this folder hold one part of the
text each.
"""

import argparse
import sys
from pathlib import Path

from canonical import read_json
from genesis import genesis_hash, read_genesis
from ledger import check_ledger
from proof import EXIT_CODES, Verdict, verify_proof
from snapshot_checks import check_snapshot
from vector_checks import (
    check_agreement, check_borsh, check_checkpoint, check_frames, check_genesis, check_hashes, check_history,
    check_interval, check_proof, check_receipts, check_records, check_state)
from vectors import Book, Vector, has_member_twice
from words import Refused, from_hex, require

CHECKS = {"agreement.json": check_agreement, "borsh.json": check_borsh, "checkpoint.json": check_checkpoint,
          "frames.json": check_frames, "genesis.json": check_genesis, "hashes.json": check_hashes,
          "history.json": check_history, "interval.json": check_interval, "ledger.json": check_ledger,
          "proof.json": check_proof, "receipts.json": check_receipts, "records.json": check_records,
          "snapshot.json": check_snapshot, "state.json": check_state}


def verify_file(path):
    """Re-derives one vector file."""
    book = Book(path.name)
    if path.name not in CHECKS:
        book.fail((), "a vector file of section 19", "a file that the script does not know")
        return book
    try:
        value = read_json(path.read_bytes())
        require(not has_member_twice(value), "a member is there twice")
        CHECKS[path.name](Vector(value, book))
        book.unchecked(value)
    except (OSError, Refused, KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        book.fail((), "a vector as section 19 describes it", f"{type(error).__name__}: {error}")
    return book


def verify_vectors(folder):
    """Re-derives every vector file in a folder; gives the exit code."""
    names = sorted({path.name for path in folder.iterdir()} | set(CHECKS)) if folder.is_dir() else []
    if not names:
        print(f"{folder} is no folder")
        return 1
    total, is_right = 0, True
    for name in names:
        book = verify_file(folder / name)
        total += book.count
        is_right &= not book.failures
        for failure in book.failures:
            print(failure)
        print(f"{name}: {book.count} values re-derived" + (f", {len(book.failures)} WRONG" if book.failures else ""))
    print(f"total: {total} values re-derived in {len(names)} files, {'all right' if is_right else 'NOT all right'}")
    return 0 if is_right else 1


def verify_proof_file(path, genesis_path, hash_hex):
    """17.5, 17.9 The verdict on a proof file; gives the exit code."""
    trusted_hash = trusted_genesis = None
    trusted = "nothing outside the file: who the first validators were is taken from it"
    try:
        if genesis_path:
            trusted_genesis = read_genesis(Path(genesis_path).read_bytes())
            trusted_hash, trusted = genesis_hash(trusted_genesis), "the genesis document"
        elif hash_hex:
            trusted_hash = from_hex(hash_hex, 32)
            trusted = "the genesis hash: who the first validators were is taken from the file"
        with open(path, "rb") as file:
            data = file.read(33_554_433)
    except OSError as error:
        print(f"a file cannot be read: {error}", file=sys.stderr)
        return 4
    except Refused as error:
        print(f"what is trusted cannot be used: {error}", file=sys.stderr)
        return 2
    try:
        what = verify_proof(data, trusted_hash, trusted_genesis)
    except Verdict as other:
        print(other.verdict + (f": {other.field}" if other.field else ""))
        return EXIT_CODES[other.verdict]
    print(f"valid\nreceipt {what['receipt_hash']}\nindex {what['index']}\nbeat {what['beat']}")
    print(f"signers {what['signers']}, weight {what['weight']} of {what['total']}\nset changes {what['set_changes']}")
    print("checkpoint " + (f"{what['checkpoint'][0]} {what['checkpoint'][1]}" if what["checkpoint"] else "none yet"))
    print(f"trusted {trusted}")
    return 0


def main():
    parser = argparse.ArgumentParser(description="Verifies Phalanx vectors, or a proof file.")
    parser.add_argument("vectors", nargs="?", type=Path, help="the folder of the vectors")
    parser.add_argument("--proof", help="a proof file")
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--genesis", help="the trusted genesis document")
    trust.add_argument("--genesis-hash", help="the trusted genesis hash")
    arguments = parser.parse_args()
    if arguments.proof is None:
        if arguments.genesis or arguments.genesis_hash:
            parser.error("--genesis and --genesis-hash go with --proof")
        return verify_vectors(arguments.vectors or Path(__file__).resolve().parent.parent / "vectors")
    if arguments.vectors:
        parser.error("either the vectors or --proof")
    return verify_proof_file(arguments.proof, arguments.genesis, arguments.genesis_hash)


if __name__ == "__main__":
    sys.exit(main())
