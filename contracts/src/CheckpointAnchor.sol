// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICheckpointAnchor} from "./interfaces/ICheckpointAnchor.sol";
import {IValidatorRegistry} from "./interfaces/IValidatorRegistry.sol";
import {CheckpointHash} from "./lib/CheckpointHash.sol";
import {Inclusion} from "./lib/Inclusion.sol";
import {Numbers} from "./lib/Numbers.sol";
import {Quorum} from "./lib/Quorum.sol";
import {Recover} from "./lib/Recover.sol";
import {SetData} from "./lib/SetData.sol";
import {Checkpoint, CheckpointBody, Signature} from "./Types.sol";

/// @title The anchored checkpoints of one mesh.
/// @notice See {ICheckpointAnchor}.
contract CheckpointAnchor is ICheckpointAnchor {
    using Numbers for uint256;

    // ---------------------------------------------------------------------------------------- constants

    /// @notice How many hashes are kept. An anchor writes one slot of the ring: 17,100 gas more while the ring
    ///         is filled for the first time.
    uint256 public constant WINDOW = 1024;
    /// @notice Most checkpoints of one queue.
    uint256 private constant QUEUE_MAX = 256;

    /// @dev Where the data contract and the number of members of {_head} begin; the number is at bit 0.
    uint256 private constant DATA_SHIFT = 96;
    uint256 private constant COUNT_SHIFT = 88;

    /// @dev keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    bytes32 private constant DOMAIN_TYPEHASH =
        0x8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f;
    /// @dev keccak256("Phalanx")
    bytes32 private constant NAME_HASH = 0x341d08fd8d8f7d5537e305354f83a209949f27f33e5b79832a7e6d3c31d11e27;
    /// @dev keccak256("1")
    bytes32 private constant VERSION_HASH =
        0xc89efdaa54c0f20c7adf612882df0950f5a951637e0307cdcb4c672f298b8bc6;

    // --------------------------------------------------------------------------------------- immutables

    /// @inheritdoc ICheckpointAnchor
    address public immutable registry;
    /// @inheritdoc ICheckpointAnchor
    bytes32 public immutable meshId;

    /// @dev The chain of the deployment, and the domain separator there.
    uint256 private immutable _chainId = block.chainid;
    bytes32 private immutable _domain = _separator();

    // ------------------------------------------------------------------------------------------ storage

    /// @dev One slot, so that an anchor reads and writes one. From the highest bit: the current set's data
    ///      contract (160 bits), its number of members (8), then of the head the low 28 bits of the history's size,
    ///      the low 28 bits of the last beat, and the number (32). An interval has fewer than 2^28 beats and
    ///      receipts, so these give the first of the next interval; 2^32 checkpoints are 217 years of the shortest
    ///      interval.
    uint256 private _head;

    /// @dev Checkpoint n is at n % WINDOW.
    bytes32[WINDOW] private _ring;

    /// @dev A slot of it.
    struct StorageSlot {
        bytes32 hash;
    }

    // -------------------------------------------------------------------------------------- constructor

    /// @param registry_ Its first set is the current one.
    /// @param meshId_ The mesh, as in the registry.
    constructor(address registry_, bytes32 meshId_) {
        registry = registry_;
        meshId = meshId_;
        (,, address data) = IValidatorRegistry(registry_).current();
        // Of the head there is only the last beat: that before beat 0, with which checkpoint 1 begins.
        _head = _setWord(data) | Numbers.BEFORE_FIRST;
    }

    // ----------------------------------------------------------------------------------------- external

    /// @inheritdoc ICheckpointAnchor
    function anchor(CheckpointBody calldata body, Signature[] calldata signatures) external {
        uint256 word = _head;
        (word,,) = _append(word, _slot(uint32(word)).hash, _loadSet(word), body, signatures);
        _head = word;
    }

    /// @inheritdoc ICheckpointAnchor
    function anchorMany(CheckpointBody[] calldata bodies, Signature[][] calldata signatures) external {
        if (bodies.length == 0 || bodies.length > QUEUE_MAX || bodies.length != signatures.length) {
            revert QueueLength(bodies.length, signatures.length);
        }
        uint256 word = _head;
        bytes32 hash = _slot(uint32(word)).hash;
        uint256 set = _loadSet(word);
        // Those up to the head are anchored already; a gap is found by the first that is appended.
        uint256 i = _anchored(word, bodies[0].numbers.numberOf());
        if (i >= bodies.length) revert NothingNew(uint32(word));
        for (; i < bodies.length; ++i) {
            (word, hash, set) = _append(word, hash, set, bodies[i], signatures[i]);
        }
        _head = word;
    }

    /// @inheritdoc ICheckpointAnchor
    function adopt(address data) external {
        if (msg.sender != registry) revert NotRegistry(msg.sender);
        uint256 word = _head;
        emit Adopted(address(uint160(word >> DATA_SHIFT)), data);
        _head = _setWord(data) | uint88(word);
    }

    /// @inheritdoc ICheckpointAnchor
    function head() external view returns (uint64 number, bytes32 hash) {
        number = headNumber();
        hash = _slot(number).hash;
    }

    /// @inheritdoc ICheckpointAnchor
    function hashOf(uint64 number) external view returns (bytes32) {
        uint64 last = headNumber();
        if (number == 0 || number > last || last - number >= WINDOW) return 0;
        return _slot(number).hash;
    }

    /// @inheritdoc ICheckpointAnchor
    function isAncestor(Checkpoint[] calldata chain) external view returns (bool) {
        return _isAncestor(chain);
    }

    /// @inheritdoc ICheckpointAnchor
    function verifyReceipt(
        Checkpoint calldata checkpoint,
        bytes32 receiptHash,
        uint64 index,
        bytes32[] calldata path
    ) external view returns (bool) {
        return isAnchored(checkpoint) && _holds(checkpoint, receiptHash, index, path);
    }

    /// @inheritdoc ICheckpointAnchor
    function verifyOldReceipt(
        Checkpoint[] calldata chain,
        bytes32 receiptHash,
        uint64 index,
        bytes32[] calldata path
    ) external view returns (bool) {
        return _isAncestor(chain) && _holds(chain[0], receiptHash, index, path);
    }

    /// @inheritdoc ICheckpointAnchor
    function preview(CheckpointBody calldata body)
        external
        view
        returns (Checkpoint memory checkpoint, bytes32 hash, bytes32 digest)
    {
        uint256 word = _head;
        uint256 set = _loadSet(word);
        bytes32 nextSetHash = body.numbers.changesSet() ? _pendingHash() : bytes32(0);
        uint256 place;
        (place, hash) = CheckpointHash.build(body, word, _slot(uint32(word)).hash, meshId, set, nextSetHash);
        assembly ("memory-safe") {
            // The words of the checkpoint are those of a struct in memory: keep them.
            checkpoint := place
            mstore(0x40, add(place, 640))
        }
        digest = _digest(hash);
    }

    // ------------------------------------------------------------------------------------------- public

    /// @inheritdoc ICheckpointAnchor
    function domainSeparator() public view returns (bytes32) {
        // On a fork of the chain the id changes, and with it what has to be signed.
        return block.chainid == _chainId ? _domain : _separator();
    }

    /// @inheritdoc ICheckpointAnchor
    function headNumber() public view returns (uint64) {
        return uint32(_head);
    }

    /// @inheritdoc ICheckpointAnchor
    function isAnchored(Checkpoint calldata checkpoint) public view returns (bool) {
        // The hash holds the number: what is equal is in the window, because nothing has overwritten it. No
        // hash is zero, as an empty slot is.
        return _slot(checkpoint.number).hash == CheckpointHash.hash(checkpoint);
    }

    // ------------------------------------------------------------------------------------------ private

    /// @dev Verifies that the signatures carry the checkpoint after the head.
    /// @param word As {_head}.
    /// @param hash Hash of the head.
    /// @param set The current set in memory: see {SetData-load}.
    /// @return The three of the checkpoint that is now the head.
    function _append(
        uint256 word,
        bytes32 hash,
        uint256 set,
        CheckpointBody calldata body,
        Signature[] calldata signatures
    ) private returns (uint256, bytes32, uint256) {
        uint256 numbers = body.numbers;
        uint32 number = numbers.numberOf();
        unchecked {
            // In 64 bits: after number 2^32 - 1 there is no next one.
            uint64 next = uint64(uint32(word)) + 1;
            if (number != next) revert WrongNumber(next, number);
        }
        bytes32 nextSetHash = numbers.changesSet() ? _pendingHash() : bytes32(0);

        (, hash) = CheckpointHash.build(body, word, hash, meshId, set, nextSetHash);
        _verifyQuorum(set, hash, signatures);
        _slot(number).hash = hash;
        emit Anchored(number, hash);

        word = word >> COUNT_SHIFT << COUNT_SHIFT | numbers.headOf();
        if (nextSetHash != 0) (word, set) = _activate(word, nextSetHash);
        return (word, hash, set);
    }

    /// @dev The pending set becomes the current one.
    /// @param word As {_head}, of the checkpoint that names it.
    function _activate(uint256 word, bytes32 setHash) private returns (uint256, uint256) {
        address data = IValidatorRegistry(registry).activate(setHash, uint32(word));
        word = _setWord(data) | uint88(word);
        return (word, _loadSet(word));
    }

    /// @dev How many of a queue that begins with `first` are anchored.
    function _anchored(uint256 word, uint32 first) private pure returns (uint256) {
        return first <= uint32(word) ? uint256(uint32(word)) + 1 - first : 0;
    }

    /// @dev The registry's pending set, which a body that changes the set means.
    function _pendingHash() private view returns (bytes32 setHash) {
        (setHash,) = IValidatorRegistry(registry).pending();
        if (setHash == 0) revert NothingPending();
    }

    /// @dev Reverts unless members with more than two thirds of the weight have signed.
    function _verifyQuorum(uint256 set, bytes32 hash, Signature[] calldata signatures) private view {
        bytes32 digest = _digest(hash);
        (uint256 weight, uint256 counted) = Quorum.tally(set, digest, signatures);
        if (counted != signatures.length) _explain(counted, hash, digest, signatures);
        unchecked {
            // Both are below 2^32.
            uint256 total = SetData.totalOf(set);
            if (3 * weight <= 2 * total) revert NoQuorum(weight, total);
        }
    }

    /// @dev Reverts with the reason why the signature at `position` does not count.
    function _explain(uint256 position, bytes32 hash, bytes32 digest, Signature[] calldata signatures)
        private
        pure
    {
        address signer = Recover.signer(digest, signatures[position]);
        if (signer == address(0)) revert BadSignature(position);
        if (position > 0) {
            address previous = Recover.signer(digest, signatures[position - 1]);
            if (signer <= previous) revert SignersNotAscending(position, previous, signer);
        }
        revert NotAValidator(position, signer, hash);
    }

    function _loadSet(uint256 word) private view returns (uint256) {
        return SetData.load(address(uint160(word >> DATA_SHIFT)), uint8(word >> COUNT_SHIFT));
    }

    /// @dev The part of {_head} that a set makes.
    function _setWord(address data) private view returns (uint256) {
        return uint256(uint160(data)) << DATA_SHIFT | SetData.countOf(data) << COUNT_SHIFT;
    }

    /// @dev The slot of the ring for a number. Assembly because the compiler checks the bounds that the remainder
    ///      has already.
    function _slot(uint256 sequence) private pure returns (StorageSlot storage slot) {
        assembly ("memory-safe") {
            slot.slot := add(_ring.slot, mod(sequence, WINDOW))
        }
    }

    function _separator() private view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this)));
    }

    function _digest(bytes32 hash) private view returns (bytes32 digest) {
        bytes32 domain = domainSeparator();
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            mstore(scratch, hex"1901")
            mstore(add(scratch, 2), domain)
            mstore(add(scratch, 34), hash)
            digest := keccak256(scratch, 66)
        }
    }

    function _isAncestor(Checkpoint[] calldata chain) private view returns (bool) {
        if (chain.length == 0) return false;
        uint256 last = chain.length - 1;
        for (uint256 i = 0; i < last; ++i) {
            if (chain[i + 1].parent != CheckpointHash.hash(chain[i])) return false;
        }
        return isAnchored(chain[last]);
    }

    function _holds(
        Checkpoint calldata checkpoint,
        bytes32 receiptHash,
        uint64 index,
        bytes32[] calldata path
    ) private pure returns (bool) {
        return Inclusion.holds(checkpoint.intervalRoot, receiptHash, index, checkpoint.receiptCount, path);
    }
}
