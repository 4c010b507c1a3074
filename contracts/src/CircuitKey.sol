// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICircuitKey} from "./interfaces/ICircuitKey.sol";
import {Bn254} from "./lib/Bn254.sol";

/// @title The verifying key of one circuit.
/// @notice See {ICircuitKey}. {KeyData} says how the key lies behind the code. Without one it verifies nothing.
contract CircuitKey is ICircuitKey {
    // ---------------------------------------------------------------------------------------- constants

    /// @dev {Bn254-P} and {Bn254-R}; assembly takes only constants of its own contract.
    uint256 private constant P = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev Caps, as {Bn254} says: the prices are 150, 6,000, and 181,000 with four pairs.
    uint256 private constant ADD_GAS_MAX = 1_000;
    uint256 private constant MUL_GAS_MAX = 20_000;
    uint256 private constant PAIRING_GAS_MAX = 400_000;

    /// @dev Of what is left before the pairing a call forwards 63/64: with less than this, less than the cap.
    uint256 private constant GAS_MIN = 407_000;

    // ----------------------------------------------------------------------------------------- external

    /// @inheritdoc ICircuitKey
    /// @dev Assembly because the pairing's input is laid out in place, with the key copied from the code: the gas
    ///      table of the README has how little is left above the price of the precompiles. The tests compare it
    ///      with proofs made by a known trapdoor, and with one of snarkjs.
    ///
    ///      e(−A, B) · e(α, β) · e(L, γ) · e(C, δ) = 1, where L = IC₀ + Σ inputᵢ · ICᵢ₊₁.
    function verify(uint256[] calldata inputs, uint256[8] calldata proof) external view returns (bool holds) {
        (uint256 pairs, uint256 count) = _load();
        if (count != inputs.length) revert InputCount(count, inputs.length);
        if (!_sum(pairs, inputs)) _explainInputs(inputs);
        (bool paired, uint256 gasBefore) = _pair(pairs, proof, count);
        if (!paired) _explainPoints(proof, gasBefore);
        assembly ("memory-safe") {
            holds := mload(pairs)
        }
    }

    // ------------------------------------------------------------------------------------------ private

    /// @return pairs Where the input of the pairing will lie: free memory.
    /// @return count How many public inputs the circuit has: the last word of the code.
    function _load() private pure returns (uint256 pairs, uint256 count) {
        assembly ("memory-safe") {
            pairs := mload(0x40)
            codecopy(pairs, sub(codesize(), 0x20), 0x20)
            count := mload(pairs)
        }
    }

    /// @dev Sums up L where the pairing will read it.
    /// @return summed Whether all inputs are below the modulus, and the precompiles had enough gas: the points of the
    ///         key are good.
    function _sum(uint256 pairs, uint256[] calldata inputs) private view returns (bool summed) {
        assembly ("memory-safe") {
            let sum := add(pairs, 0x180)
            // Behind it a point, the product, and its factor.
            let term := add(pairs, 0x1c0)
            let ic := sub(codesize(), add(0xa0, shl(6, inputs.length)))
            codecopy(sum, ic, 0x40)
            summed := 1
            let next := inputs.offset
            let end := add(next, shl(5, inputs.length))
            for {} lt(next, end) { next := add(next, 0x20) } {
                let input := calldataload(next)
                ic := add(ic, 0x40)
                codecopy(term, ic, 0x40)
                mstore(add(pairs, 0x200), input)
                // Evaluated from the last: the product, then the sum.
                summed := and(
                    and(summed, lt(input, R)),
                    and(
                        staticcall(ADD_GAS_MAX, 6, sum, 0x80, sum, 0x40),
                        staticcall(MUL_GAS_MAX, 7, term, 0x60, term, 0x40)
                    )
                )
            }
        }
    }

    /// @dev Lays out the other points and pairs them; the result takes the place of the input.
    /// @return paired Whether all are points of their groups, and none of the proof's is infinity.
    /// @return gasBefore What was left before the pairing.
    function _pair(uint256 pairs, uint256[8] calldata proof, uint256 count)
        private
        view
        returns (bool paired, uint256 gasBefore)
    {
        assembly ("memory-safe") {
            let key := sub(codesize(), add(0x260, shl(6, count)))
            calldatacopy(pairs, proof, 0xc0)
            // Minus A. A `y` of P becomes zero, a larger one more than P, which the precompile refuses.
            mstore(add(pairs, 0x20), sub(P, mload(add(pairs, 0x20))))
            codecopy(add(pairs, 0xc0), key, 0xc0)
            codecopy(add(pairs, 0x1c0), add(key, 0xc0), 0x80)
            calldatacopy(add(pairs, 0x240), add(proof, 0xc0), 0x40)
            codecopy(add(pairs, 0x280), add(key, 0x140), 0x80)
            // The precompile takes zeros as infinity, which no honest proof has.
            paired := iszero(iszero(or(mload(pairs), mload(add(pairs, 0x20)))))
            paired := and(paired, iszero(iszero(or(mload(add(pairs, 0x240)), mload(add(pairs, 0x260))))))
            let b := or(mload(add(pairs, 0x40)), mload(add(pairs, 0x60)))
            b := or(b, or(mload(add(pairs, 0x80)), mload(add(pairs, 0xa0))))
            paired := and(paired, iszero(iszero(b)))
            gasBefore := gas()
            if paired {
                paired := staticcall(PAIRING_GAS_MAX, 8, pairs, 0x300, pairs, 0x20)
            }
        }
    }

    /// @dev Reverts with the reason why the inputs were not summed up.
    function _explainInputs(uint256[] calldata inputs) private view {
        for (uint256 i = 0; i < inputs.length; ++i) {
            if (inputs[i] >= R) revert InputNotBelowModulus(i, inputs[i]);
        }
        revert GasTooLow(GAS_MIN, gasleft());
    }

    /// @dev Reverts with the reason why the points were not paired.
    function _explainPoints(uint256[8] calldata proof, uint256 gasBefore) private pure {
        if (!Bn254.isG1(proof[0], proof[1])) revert NotAPoint(0);
        if (!Bn254.isG1(proof[6], proof[7])) revert NotAPoint(2);
        if (gasBefore < GAS_MIN) revert GasTooLow(GAS_MIN, gasBefore);
        revert NotAPoint(1);
    }
}
