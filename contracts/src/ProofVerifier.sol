// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICheckpointAnchor} from "./interfaces/ICheckpointAnchor.sol";
import {ICircuitKey} from "./interfaces/ICircuitKey.sol";
import {IProofVerifier} from "./interfaces/IProofVerifier.sol";
import {KeyData} from "./lib/KeyData.sol";
import {KeyEntry} from "./lib/KeyEntry.sol";
import {Checkpoint} from "./Types.sol";

/// @title The proofs about one mesh.
/// @notice See {IProofVerifier}.
contract ProofVerifier is IProofVerifier {
    using KeyEntry for uint256;

    // ---------------------------------------------------------------------------------------- constants

    /// @notice In {Places}: the circuit has no such input.
    uint8 public constant NONE = 255;
    /// @dev {Bn254-R}; assembly takes only constants of its own contract. The tests hold {contextOf} against it.
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    // --------------------------------------------------------------------------------------- immutables

    /// @inheritdoc IProofVerifier
    address public immutable owner;
    /// @inheritdoc IProofVerifier
    address public immutable anchor;

    // ------------------------------------------------------------------------------------------ storage

    /// @dev Words of {KeyEntry}; zero when the circuit has no key.
    mapping(bytes32 circuit => uint256) private _entries;
    /// @inheritdoc IProofVerifier
    mapping(uint256 nullifier => bytes32 statement) public statementOf;

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
        emit KeySet(circuit, _entries[circuit].keyOf(), key, keccak256(points), transcript, places);
        _entries[circuit] = KeyEntry.pack(key, inputs, places);
    }

    /// @inheritdoc IProofVerifier
    function removeKey(bytes32 circuit) external onlyOwner {
        address previous = _entryOf(circuit).keyOf();
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
        uint256 entry = _entryOf(circuit);
        if (entry.nullifierAt() == NONE) revert NotSpendable(circuit);
        _checkCount(entry, inputs);
        _checkContext(purpose, inputs[entry.contextAt()]);
        uint256 nullifier = inputs[entry.nullifierAt()];
        statement = statementOf[nullifier];
        if (statement != 0) revert AlreadySpent(nullifier, statement);
        statement = _hash(circuit, inputs);
        statementOf[nullifier] = statement;
        _checkRoot(entry, checkpoint, inputs);
        if (!_holds(entry.keyOf(), inputs, proof)) revert ProofRefused(circuit);
        emit Spent(circuit, nullifier, purpose, statement);
    }

    /// @inheritdoc IProofVerifier
    function verify(bytes32 circuit, uint256[] calldata inputs, uint256[8] calldata proof)
        external
        view
        returns (bool)
    {
        return _holds(_entryOf(circuit).keyOf(), inputs, proof);
    }

    /// @inheritdoc IProofVerifier
    function verifyAnchored(
        bytes32 circuit,
        Checkpoint calldata checkpoint,
        uint256[] calldata inputs,
        uint256[8] calldata proof
    ) external view returns (bool) {
        uint256 entry = _entryOf(circuit);
        _checkCount(entry, inputs);
        _checkRoot(entry, checkpoint, inputs);
        return _holds(entry.keyOf(), inputs, proof);
    }

    /// @inheritdoc IProofVerifier
    function keyOf(bytes32 circuit) external view returns (bytes memory points) {
        uint256 entry = _entries[circuit];
        if (entry != 0) points = KeyData.read(entry.keyOf(), entry.inputsOf());
    }

    /// @inheritdoc IProofVerifier
    function keyInfo(bytes32 circuit) external view returns (KeyInfo memory info) {
        uint256 entry = _entries[circuit];
        if (entry == 0) return info;
        info.key = entry.keyOf();
        info.inputs = entry.inputsOf();
        info.places = Places(entry.rootOf(), entry.rootAt(), entry.nullifierAt(), entry.contextAt());
        info.transcript = KeyData.transcriptOf(entry.keyOf());
    }

    // ------------------------------------------------------------------------------------------- public

    /// @inheritdoc IProofVerifier
    /// @dev Assembly saves the bookkeeping of an array in memory.
    function contextOf(bytes32 purpose) public view returns (uint256 context) {
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, chainid())
            mstore(add(data, 0x20), address())
            mstore(add(data, 0x40), purpose)
            context := mod(keccak256(data, 0x60), R)
        }
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

    function _entryOf(bytes32 circuit) private view returns (uint256 entry) {
        entry = _entries[circuit];
        if (entry == 0) revert NoKey(circuit);
    }

    /// @dev The places are below the number of inputs.
    function _checkCount(uint256 entry, uint256[] calldata inputs) private pure {
        if (inputs.length != entry.inputsOf()) {
            revert ICircuitKey.InputCount(entry.inputsOf(), inputs.length);
        }
    }

    function _checkContext(bytes32 purpose, uint256 found) private view {
        uint256 expected = contextOf(purpose);
        if (found != expected) revert OtherContext(expected, found);
    }

    /// @dev Before the mesh has made proofs its checkpoints have zero roots, of which no proof speaks.
    function _checkRoot(uint256 entry, Checkpoint calldata checkpoint, uint256[] calldata inputs)
        private
        view
    {
        bytes32 expected = entry.isAudit() ? checkpoint.auditRoot : checkpoint.agentsRoot;
        bytes32 found = bytes32(inputs[entry.rootAt()]);
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
