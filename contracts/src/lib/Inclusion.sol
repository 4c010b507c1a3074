// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Inclusion in an interval tree: Keccak-256, the shape of RFC 6962 (an odd node at the right edge is
///         promoted), leaf = keccak256(00 ‖ receipt hash), node = keccak256(01 ‖ left ‖ right). Pairs are
///         ordered, and index and count are part of the statement: a proof holds for one place only.
library Inclusion {
    /// @notice Whether `receiptHash` is at `index` among the `count` leaves under `root`.
    /// @dev At most 64 steps: each halves `count - 1`. Assembly for the reader's gas: the node is hashed in place, at the free memory pointer, which stays where it is. The tests
    ///      compare it with a plain twin.
    /// @param path The siblings from below; none is taken where the node is promoted. One too few or too many
    ///        is no proof.
    function holds(bytes32 root, bytes32 receiptHash, uint256 index, uint256 count, bytes32[] calldata path)
        internal
        pure
        returns (bool result)
    {
        if (index >= count) return false;
        assembly ("memory-safe") {
            let prefix := mload(0x40)
            let left := add(prefix, 1)
            let right := add(prefix, 33)
            let next := path.offset
            let end := add(next, shl(5, path.length))

            mstore8(prefix, 0)
            mstore(left, receiptHash)
            let node := keccak256(prefix, 33)

            mstore8(prefix, 1)
            let last := sub(count, 1)
            for {} last {} {
                if or(and(index, 1), lt(index, last)) {
                    // A hash is missing: leave with an end that `next` can no longer reach.
                    if eq(next, end) {
                        end := not(0)
                        break
                    }
                    switch and(index, 1)
                    case 0 {
                        mstore(left, node)
                        mstore(right, calldataload(next))
                    }
                    default {
                        mstore(left, calldataload(next))
                        mstore(right, node)
                    }
                    node := keccak256(prefix, 65)
                    next := add(next, 32)
                }
                index := shr(1, index)
                last := shr(1, last)
            }
            result := and(eq(next, end), eq(node, root))
        }
    }
}
