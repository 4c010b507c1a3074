// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";

/// @notice A registered key as one word. From the highest bit: its contract 160 bits, 56 zero bits, then 8 bits each:
///         number of inputs, root, and the places of root, nullifier and context.
/// @dev A struct would be read member by member, each with an SLOAD of the same slot.
library KeyEntry {
    uint256 private constant KEY_SHIFT = 96;
    uint256 private constant INPUTS_SHIFT = 32;
    uint256 private constant ROOT_SHIFT = 24;
    uint256 private constant ROOT_AT_SHIFT = 16;
    uint256 private constant NULLIFIER_AT_SHIFT = 8;

    /// @param inputs Below 256.
    function pack(address key, uint256 inputs, IProofVerifier.Places calldata places)
        internal
        pure
        returns (uint256)
    {
        return uint256(uint160(key)) << KEY_SHIFT | inputs << INPUTS_SHIFT | uint256(places.root)
            << ROOT_SHIFT | uint256(places.rootAt) << ROOT_AT_SHIFT | uint256(places.nullifierAt)
            << NULLIFIER_AT_SHIFT | places.contextAt;
    }

    function keyOf(uint256 entry) internal pure returns (address) {
        return address(uint160(entry >> KEY_SHIFT));
    }

    function inputsOf(uint256 entry) internal pure returns (uint256) {
        return uint8(entry >> INPUTS_SHIFT);
    }

    function rootOf(uint256 entry) internal pure returns (IProofVerifier.Root) {
        return IProofVerifier.Root(uint8(entry >> ROOT_SHIFT));
    }

    /// @dev As {rootOf}, which also checks the range.
    function isAudit(uint256 entry) internal pure returns (bool) {
        return entry & 1 << ROOT_SHIFT != 0;
    }

    function rootAt(uint256 entry) internal pure returns (uint8) {
        return uint8(entry >> ROOT_AT_SHIFT);
    }

    function nullifierAt(uint256 entry) internal pure returns (uint8) {
        return uint8(entry >> NULLIFIER_AT_SHIFT);
    }

    function contextAt(uint256 entry) internal pure returns (uint8) {
        return uint8(entry);
    }
}
