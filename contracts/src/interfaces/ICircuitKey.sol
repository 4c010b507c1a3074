// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The verifying key of one circuit, as a contract: its code ends with the key. It checks proofs and knows
///         nothing of roots, nullifiers or owners; {IProofVerifier} does.
///
///         Groth16 (Groth 2016, on the size of pairing-based non-interactive arguments) over BN254.
interface ICircuitKey {
    // ------------------------------------------------------------------------------------------- errors

    /// @notice The circuit has `expected` public inputs. Give all of them, in its order.
    error InputCount(uint256 expected, uint256 found);
    /// @notice An input is not below the order of the group. Take the number modulo it: an input has one form.
    error InputNotBelowModulus(uint256 position, uint256 found);
    /// @notice Point 0 (A), 1 (B) or 2 (C) of the proof is not of its group, or is infinity. Are the halves of B's
    ///         coordinates in the chain's order, c1 first?
    error NotAPoint(uint256 position);
    /// @notice The precompiles had too little gas to say anything of the proof. Send more.
    error GasTooLow(uint256 needed, uint256 found);

    // ---------------------------------------------------------------------------------------- functions

    /// @notice Whether the proof holds for these inputs. Reverts when it is not a proof at all.
    /// @param inputs The public inputs, each below the order of the group.
    /// @param proof A.x, A.y, B.x.c1, B.x.c0, B.y.c1, B.y.c0, C.x, C.y.
    function verify(uint256[] calldata inputs, uint256[8] calldata proof) external view returns (bool);
}
