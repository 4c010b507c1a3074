// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICheckpointAnchor} from "./interfaces/ICheckpointAnchor.sol";
import {ICircuitKey} from "./interfaces/ICircuitKey.sol";
import {IProofVerifier} from "./interfaces/IProofVerifier.sol";
import {Bn254} from "./lib/Bn254.sol";
import {KeyData} from "./lib/KeyData.sol";
import {Checkpoint} from "./Types.sol";

/// @title The proofs about one mesh.
/// @notice See {IProofVerifier}.
contract ProofVerifier is IProofVerifier {
    // ---------------------------------------------------------------------------------------- constants

    /// @notice In {Places}: the circuit has no such input.
    uint8 public constant NONE = 255;

    // --------------------------------------------------------------------------------------- immutables

    /// @inheritdoc IProofVerifier
    address public immutable owner;
    /// @inheritdoc IProofVerifier
    address public immutable anchor;

    // ------------------------------------------------------------------------------------------ storage

    /// @dev One slot each.
    mapping(bytes32 circuit => Entry) private _entries;
    /// @inheritdoc IProofVerifier
    mapping(uint256 nullifier => bytes32 statement) public statementOf;

    /// @dev {Places} member by member, because a struct inside of another begins a slot.
    struct Entry {
        address key;
        Root root;
        uint8 rootAt;
        uint8 nullifierAt;
        uint8 contextAt;
        uint8 inputs;
    }

    // -------------------------------------------------------------------------------------- constructor

    /// @param owner_ A Safe: the one that commands the mesh.
    /// @param anchor_ The mesh's {CheckpointAnchor}.
    constructor(address owner_, address anchor_) {
        if (owner_ == address(0)) revert ZeroOwner();
        if (anchor_.code.length == 0) revert NoAnchor(anchor_);
        owner = owner_;
        anchor = anchor_;
    }

    modifier onlyOwner() {
        _checkOwner();
        _;
    }

    // ----------------------------------------------------------------------------------------- external

    /// @inheritdoc IProofVerifier
    function setKey(bytes32 circuit, bytes32 transcript, Places calldata places, bytes calldata points)
        external
        onlyOwner
        returns (address key)
    {
        if (circuit == 0) revert ZeroCircuit();
        uint256 inputs = KeyData.verify(points);
        _checkPlaces(places, inputs);
        key = KeyData.write(circuit, transcript, inputs, points);
        emit KeySet(circuit, _entries[circuit].key, key, keccak256(points), transcript, places);
        _entries[circuit] = Entry({
            key: key,
            root: places.root,
            rootAt: places.rootAt,
            nullifierAt: places.nullifierAt,
            contextAt: places.contextAt,
            inputs: uint8(inputs)
        });
    }

    /// @inheritdoc IProofVerifier
    function removeKey(bytes32 circuit) external onlyOwner {
        address previous = _entryOf(circuit).key;
        delete _entries[circuit];
        emit KeySet(circuit, previous, address(0), 0, 0, Places(Root.Agents, 0, 0, 0));
    }

    /// @inheritdoc IProofVerifier
    function spend(
        bytes32 circuit,
        bytes32 purpose,
        Checkpoint calldata checkpoint,
        uint256[] calldata inputs,
        uint256[8] calldata proof
    ) external returns (bytes32 statement) {
        Entry memory entry = _entryOf(circuit);
        if (entry.nullifierAt == NONE) revert NotSpendable(circuit);
        _checkCount(entry, inputs);
        _checkContext(purpose, inputs[entry.contextAt]);
        uint256 nullifier = inputs[entry.nullifierAt];
        statement = statementOf[nullifier];
        if (statement != 0) revert AlreadySpent(nullifier, statement);
        statement = _hash(circuit, inputs);
        statementOf[nullifier] = statement;
        _checkRoot(entry, checkpoint, inputs);
        if (!_holds(entry.key, inputs, proof)) revert ProofRefused(circuit);
        emit Spent(circuit, nullifier, purpose, statement, checkpoint.number);
    }

    /// @inheritdoc IProofVerifier
    function verify(bytes32 circuit, uint256[] calldata inputs, uint256[8] calldata proof)
        external
        view
        returns (bool)
    {
        return _holds(_entryOf(circuit).key, inputs, proof);
    }

    /// @inheritdoc IProofVerifier
    function verifyAnchored(
        bytes32 circuit,
        Checkpoint calldata checkpoint,
        uint256[] calldata inputs,
        uint256[8] calldata proof
    ) external view returns (bool) {
        Entry memory entry = _entryOf(circuit);
        _checkCount(entry, inputs);
        _checkRoot(entry, checkpoint, inputs);
        return _holds(entry.key, inputs, proof);
    }

    /// @inheritdoc IProofVerifier
    function keyOf(bytes32 circuit) external view returns (bytes memory points) {
        Entry memory entry = _entries[circuit];
        if (entry.key != address(0)) points = KeyData.read(entry.key, entry.inputs);
    }

    /// @inheritdoc IProofVerifier
    function keyInfo(bytes32 circuit) external view returns (KeyInfo memory info) {
        Entry memory entry = _entries[circuit];
        if (entry.key == address(0)) return info;
        info.key = entry.key;
        info.inputs = entry.inputs;
        info.places = Places(entry.root, entry.rootAt, entry.nullifierAt, entry.contextAt);
        info.transcript = KeyData.transcriptOf(entry.key);
    }

    // ------------------------------------------------------------------------------------------- public

    /// @inheritdoc IProofVerifier
    function contextOf(bytes32 purpose) public view returns (uint256) {
        return uint256(keccak256(abi.encode(block.chainid, address(this), purpose))) % Bn254.R;
    }

    // ------------------------------------------------------------------------------------------ private

    function _checkOwner() private view {
        if (msg.sender != owner) revert NotOwner(msg.sender);
    }

    function _checkPlaces(Places calldata places, uint256 inputs) private pure {
        (uint8 root, uint8 nullifier, uint8 context) = (places.rootAt, places.nullifierAt, places.contextAt);
        if (root >= inputs) revert PlaceOutOfRange(inputs, root);
        if (nullifier == NONE && context == NONE) return;
        if (nullifier >= inputs) revert PlaceOutOfRange(inputs, nullifier);
        if (context >= inputs) revert PlaceOutOfRange(inputs, context);
        if (nullifier == root || context == root) revert PlaceTwice(root);
        if (nullifier == context) revert PlaceTwice(context);
    }

    function _entryOf(bytes32 circuit) private view returns (Entry memory entry) {
        entry = _entries[circuit];
        if (entry.key == address(0)) revert NoKey(circuit);
    }

    /// @dev The places are below the number of inputs.
    function _checkCount(Entry memory entry, uint256[] calldata inputs) private pure {
        if (inputs.length != entry.inputs) revert ICircuitKey.InputCount(entry.inputs, inputs.length);
    }

    function _checkContext(bytes32 purpose, uint256 found) private view {
        uint256 expected = contextOf(purpose);
        if (found != expected) revert OtherContext(expected, found);
    }

    /// @dev Before the mesh has made proofs its checkpoints have zero roots, of which no proof speaks.
    function _checkRoot(Entry memory entry, Checkpoint calldata checkpoint, uint256[] calldata inputs)
        private
        view
    {
        bytes32 expected = entry.root == Root.Agents ? checkpoint.agentsRoot : checkpoint.auditRoot;
        bytes32 found = bytes32(inputs[entry.rootAt]);
        if (expected == 0 || found != expected) revert OtherRoot(expected, found);
        if (!_isAnchored(checkpoint)) revert NotAnchored(checkpoint.number);
    }

    /// @dev Asks the anchor. Assembly because the compiler cleans and copies each of the 20 members, where the anchor
    ///      hashes them as they come: the gas table of the README has what it saves.
    function _isAnchored(Checkpoint calldata checkpoint) private view returns (bool anchored) {
        address target = anchor;
        bytes4 selector = ICheckpointAnchor.isAnchored.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            calldatacopy(add(data, 4), checkpoint, 640)
            anchored := staticcall(gas(), target, data, 644, 0, 0x20)
            // A number of more than 64 bits makes it revert: no such checkpoint is anchored.
            anchored := and(anchored, mload(0))
        }
    }

    /// @dev Asks the key. Assembly because the compiler copies the inputs one by one.
    function _holds(address key, uint256[] calldata inputs, uint256[8] calldata proof)
        private
        view
        returns (bool holds)
    {
        bytes4 selector = ICircuitKey.verify.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            // Where the inputs lie: behind this and the proof.
            mstore(add(data, 0x04), 0x120)
            calldatacopy(add(data, 0x24), proof, 0x100)
            mstore(add(data, 0x124), inputs.length)
            let size := shl(5, inputs.length)
            calldatacopy(add(data, 0x144), inputs.offset, size)
            if iszero(staticcall(gas(), key, data, add(0x144, size), 0, 0x20)) {
                returndatacopy(data, 0, returndatasize())
                revert(data, returndatasize())
            }
            holds := mload(0)
        }
    }

    /// @dev keccak256(abi.encodePacked(circuit, inputs)), in assembly for the same reason.
    function _hash(bytes32 circuit, uint256[] calldata inputs) private pure returns (bytes32 statement) {
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, circuit)
            let size := shl(5, inputs.length)
            calldatacopy(add(data, 0x20), inputs.offset, size)
            statement := keccak256(data, add(0x20, size))
        }
    }
}
