// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Checkpoint} from "../Types.sol";

/// @notice Groth16 proofs about one mesh: the owner's Safe sets one key a circuit; a proof speaks of a root of an
///         anchored checkpoint; its nullifier is spent once.
///
///         A proof shows that more than two thirds of the registered weight have recorded what it says, and not more.
///         Who has made a development key can forge its proofs: {keyInfo} tells by the transcript which one it is.
///
///         Anybody may spend a proof that they see. The purpose must say what it is for and for whom; a contract
///         that acts on proofs puts its own address into it, and takes a proof that somebody else has spent by
///         {statementOf}, which names all public inputs.
interface IProofVerifier {
    /// @notice Which root of a checkpoint a proof speaks of.
    enum Root {
        Agents,
        Audit
    }

    /// @notice Which of a circuit's public inputs the chain looks at. Positions from 0, all different; nullifier and
    ///         context may both be {ProofVerifier-NONE}, for a circuit whose proofs are never spent.
    struct Places {
        Root root;
        uint8 rootAt;
        uint8 nullifierAt;
        uint8 contextAt;
    }

    /// @notice A key as it is registered.
    /// @param key Its contract; zero when the circuit has none.
    /// @param inputs Number of public inputs.
    /// @param places Which of them the chain looks at.
    /// @param transcript Hash of the ceremony's transcript; zero for a development key, whose maker can forge
    ///        proofs.
    struct KeyInfo {
        address key;
        uint256 inputs;
        Places places;
        bytes32 transcript;
    }

    // ------------------------------------------------------------------------------------------- errors

    /// @notice Only the owner may call. Propose it in the Safe.
    error NotOwner(address caller);
    /// @notice The owner is zero. Deploy the Safe first.
    error ZeroOwner();
    /// @notice There is no contract at the anchor's address. Deploy the mesh's contracts first.
    error NoAnchor(address found);
    /// @notice A circuit has its hash for a name, which is not zero.
    error ZeroCircuit();
    /// @notice A key has 448 + 64·(n + 1) bytes of points, for 1 to 64 inputs. Is it uncompressed and whole?
    error KeyLength(uint256 found);
    /// @notice Point 0 (α), 1 (β), 2 (γ), 3 (δ), or 4 + i (IC of i) is not of its group, or is infinity. Are the
    ///         halves of G2's coordinates in the chain's order, c1 first?
    error KeyPoint(uint256 position);
    /// @notice The ceremony's second phase is missing: everybody can make proofs. Contribute to it first.
    error GammaIsDelta();
    /// @notice A place is not below the number of inputs, or only one of nullifier and context is
    ///         {ProofVerifier-NONE}.
    error PlaceOutOfRange(uint256 inputs, uint256 found);
    /// @notice Two of the places are the same.
    error PlaceTwice(uint256 position);
    /// @notice The circuit has no key. Compare its hash with that of your key; else the owner has to set one.
    error NoKey(bytes32 circuit);
    /// @notice The circuit's proofs have no nullifier: use {verifyAnchored}.
    error NotSpendable(bytes32 circuit);
    /// @notice The proof is for another root. Give the checkpoint whose root it was made for, with roots in it.
    error OtherRoot(bytes32 expected, bytes32 found);
    /// @notice The checkpoint is not anchored, or not among the last 1,024. Anchor it, or prove under a newer one.
    error NotAnchored(uint64 number);
    /// @notice The proof was made for another chain, contract or purpose. See {contextOf}.
    error OtherContext(uint256 expected, uint256 found);
    /// @notice The nullifier is spent, for this statement.
    error AlreadySpent(uint256 nullifier, bytes32 statement);
    /// @notice The proof does not hold for these inputs under this key. Compare the local key with {keyOf}.
    error ProofRefused(bytes32 circuit);

    // ------------------------------------------------------------------------------------------- events

    /// @notice The owner has set, replaced or removed a key; zero where there is none.
    /// @param points keccak256 of the points; zero when removed.
    event KeySet(
        bytes32 indexed circuit,
        address previous,
        address key,
        bytes32 points,
        bytes32 transcript,
        Places places
    );
    /// @notice A proof was spent. Checkpoint, inputs and proof are in the call's data.
    /// @param statement See {statementOf}.
    event Spent(
        bytes32 indexed circuit, uint256 indexed nullifier, bytes32 indexed purpose, bytes32 statement
    );

    // ---------------------------------------------------------------------------------------- functions

    /// @notice The Safe that sets keys.
    function owner() external view returns (address);

    /// @notice The {CheckpointAnchor} whose checkpoints hold the roots.
    function anchor() external view returns (address);

    /// @notice Sets or replaces the key of a circuit. Only the owner.
    /// @param circuit Its hash, as key files have it.
    /// @param transcript Hash of the ceremony's transcript; zero for a development key.
    /// @param places Which inputs the chain looks at.
    /// @param points α, β, γ, δ, then IC, as {KeyData} says.
    function setKey(bytes32 circuit, bytes32 transcript, Places calldata places, bytes calldata points)
        external
        returns (address key);

    /// @notice Removes the key of a circuit: no proof of it is taken any more. Only the owner.
    function removeKey(bytes32 circuit) external;

    /// @notice Checks a proof under an anchored root and spends its nullifier; reverts with the reason when it
    ///         cannot. A nullifier is spent for all circuits.
    /// @param purpose What the proof was made for.
    /// @param checkpoint One of the window, whose root the proof speaks of.
    /// @param inputs As {ICircuitKey-verify} takes them.
    /// @param proof As {ICircuitKey-verify} takes it.
    /// @return statement What {statementOf} says from now on.
    function spend(
        bytes32 circuit,
        bytes32 purpose,
        Checkpoint calldata checkpoint,
        uint256[] calldata inputs,
        uint256[8] calldata proof
    ) external returns (bytes32 statement);

    /// @notice Whether a proof holds under the circuit's key, whatever its root. The key's own contract says the
    ///         same for less gas.
    function verify(bytes32 circuit, uint256[] calldata inputs, uint256[8] calldata proof)
        external
        view
        returns (bool);

    /// @notice Whether a proof holds; reverts unless its root is the checkpoint's, which is anchored. Looks neither
    ///         at the context nor at the nullifier.
    function verifyAnchored(
        bytes32 circuit,
        Checkpoint calldata checkpoint,
        uint256[] calldata inputs,
        uint256[8] calldata proof
    ) external view returns (bool);

    /// @notice The points of a circuit's key, to compare with those of a local one; empty when there is none.
    function keyOf(bytes32 circuit) external view returns (bytes memory points);

    /// @notice What else is registered with it; zeros when there is none.
    function keyInfo(bytes32 circuit) external view returns (KeyInfo memory);

    /// @notice What a nullifier was spent for: keccak256(circuit ‖ inputs), 32 bytes each; zero when it is not spent.
    function statementOf(uint256 nullifier) external view returns (bytes32);

    /// @notice The context that proofs for this purpose have here: keccak256(abi.encode(chain id, this contract,
    ///         purpose)) modulo the order of the group.
    function contextOf(bytes32 purpose) external view returns (uint256);
}
