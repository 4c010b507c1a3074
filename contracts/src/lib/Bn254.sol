// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The curve BN254 and its precompiles (EIP-196, EIP-197; gas of EIP-1108).
///
///         A precompile that fails takes all the gas of its call, so each call has a cap: more than twice the price,
///         because a deployed contract stays as it is when a fork makes the precompiles dearer.
library Bn254 {
    /// @dev Modulus of the coordinates.
    uint256 internal constant P = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    /// @dev Order of the groups: modulus of the inputs.
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    /// @dev Cap of a pairing of one pair, whose price is 79,000.
    uint256 private constant PAIRING_GAS_MAX = 200_000;

    /// @notice Whether the coordinates are a point of G1 other than infinity: y² = x³ + 3, which is all there is
    ///         to G1.
    function isG1(uint256 x, uint256 y) internal pure returns (bool) {
        // Infinity, written as zeros, does not fulfil the equation.
        return x < P && y < P && mulmod(y, y, P) == addmod(mulmod(mulmod(x, x, P), x, P), 3, P);
    }

    /// @notice Whether the words are a point of G2 other than infinity, the imaginary half of each coordinate
    ///         first. The precompile checks it, as it checks each point of a pairing.
    /// @param point x.c1, x.c0, y.c1, y.c0.
    function isG2(bytes calldata point) internal view returns (bool result) {
        assembly ("memory-safe") {
            // With the infinity of G1, so that the pairing is one.
            let pair := mload(0x40)
            mstore(pair, 0)
            mstore(add(pair, 0x20), 0)
            calldatacopy(add(pair, 0x40), point.offset, 0x80)
            let isInfinity :=
                iszero(
                    or(
                        or(mload(add(pair, 0x40)), mload(add(pair, 0x60))),
                        or(mload(add(pair, 0x80)), mload(add(pair, 0xa0)))
                    )
                )
            result := and(iszero(isInfinity), staticcall(PAIRING_GAS_MAX, 8, pair, 0xc0, pair, 0x20))
        }
    }
}
